#!/usr/bin/env bash
# install_packages.sh PACKAGE...: installs Debian packages, as root, without a question and without starting a service.
# One line of progress on a terminal, a line every tenth elsewhere; apt's own words only when something fails.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
held_services=

finish() {
    [[ -z $held_services ]] || rm -f "$policy"
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# apt COMMAND...: apt-get with its output in a file and its progress shown.
apt() {
    local kind percent step shown=''
    apt-get -y -q -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 "$@" 3>"$work/progress" >"$work/log" 2>&1 </dev/null &
    while IFS=: read -r kind _ percent step; do
        percent=${percent%%.*}
        if [[ ! $kind =~ ^(dl|pm)status$ || ! $percent =~ ^[0-9]+$ ]]; then
            continue
        elif [[ -t 2 ]]; then
            printf '\r\e[K  %3d %%  %.70s' "$percent" "$step" >&2
        elif [[ $shown != "$kind $((percent / 10))" ]]; then
            shown="$kind $((percent / 10))"
            printf '  %3d %%  %s\n' "$percent" "$step" >&2
        fi
    done <"$work/progress"
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
    wait $!
}

mkfifo "$work/progress"

# A package that brings a service would start it; what ./dev measures or tests it starts itself.
if [[ ! -e $policy ]]; then
    held_services=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

apt update || {
    grep -E '^(E|W|Err)' "$work/log" >&2 || true
    echo "The package lists could not all be refreshed; trying with those that are there." >&2
}
apt install --no-install-recommends "$@" || {
    tail -n 20 "$work/log" >&2
    echo "The packages could not be installed." >&2
    exit 1
}
if [[ " $* " == *" nginx-light "* && -d /run/systemd/system ]]; then
    systemctl disable --quiet nginx
fi
