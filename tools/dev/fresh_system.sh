#!/usr/bin/env bash
# fresh_system.sh CHECKOUT SYSTEM yes|no: makes an empty Debian 12 in the folder SYSTEM, gives it what this machine knows
# about certificates and package servers, clones CHECKOUT's HEAD into it, and runs fresh_inside.sh there.
# ./dev fresh runs it as root in mount and process namespaces of its own.
set -euo pipefail

checkout=$1 system=$2 with_tests=$3

say() { printf '== %s\n' "$*" >&2; }

make_system() {
    local mirror
    # The first server that this machine gets bookworm from; Debian's own if its sources name none.
    mirror=$(sources_of_bookworm | xargs --no-run-if-empty -d '\n' sed -nE 's#^(URIs:|deb ).*(https?://[^] ]+).*#\2#p' | head -n 1 || true)
    say "debootstrap: an empty Debian 12 in $system"
    debootstrap --variant=minbase bookworm "$system" ${mirror:+"$mirror"} >"$system.log" 2>&1 || {
        tail -n 20 "$system.log" >&2
        exit 1
    }
    mount -t proc proc "$system/proc"
    mount --rbind /dev "$system/dev"
}

sources_of_bookworm() {
    grep -lsE '(^|[[:space:]])bookworm([[:space:]/]|$)' /etc/apt/sources.list /etc/apt/sources.list.d/* || true
}

# The settings of the package clients and the certificates that this network may need; no package, no tool.
copy_settings() {
    local file
    rm -f "$system/etc/apt/sources.list"
    while IFS= read -r file; do copy "$file"; done < <(sources_of_bookworm)
    while IFS= read -r file; do copy "$file"; done < <(grep -lsE '^[[:space:]]*Acquire' /etc/apt/apt.conf /etc/apt/apt.conf.d/* || true)
    for file in /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/pip.conf /root/.pip/pip.conf /root/.config/pip/pip.conf \
        /usr/local/share/ca-certificates /etc/ssl/certs/ca-certificates.crt /etc/resolv.conf /etc/hosts; do
        [[ ! -e $file ]] || copy "$file"
    done
}

copy() { # PATH
    mkdir -p "$system$(dirname "$1")"
    cp -rL --no-target-directory "$1" "$system$1"
}

# What the environment says about proxies, certificates and the package clients; nothing else of it goes in.
kept_environment() {
    env -0 | grep -zE '^(PIP_[A-Z_]+|[a-zA-Z]+_(proxy|PROXY)|SSL_CERT_FILE|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO)=' |
        grep -zv '^PIP_FIND_LINKS='
}

make_system
copy_settings
git clone --quiet --no-hardlinks "file://$checkout" "$system/root/tertulia"
mapfile -d '' -t kept < <(kept_environment || true)
status=0
env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${kept[@]}" \
    chroot "$system" bash /root/tertulia/tools/dev/fresh_inside.sh "$with_tests" || status=$?
exit "$status"
