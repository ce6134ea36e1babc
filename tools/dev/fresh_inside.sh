#!/usr/bin/env bash
# fresh_inside.sh yes|no: what a newcomer does on a new Debian 12, and whether it works. Runs inside the system that
# fresh_system.sh makes. The only thing that it installs by itself is git, as the README assumes.
set -euo pipefail

with_tests=$1
run_pid='' log=/root/run.log

say() { printf '== %s\n' "$*"; }

fail() {
    printf '== FAILED: %s\n' "$*"
    [[ ! -f $log ]] || tail -n 25 "$log"
    exit 1
}

milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Starts ./dev run, and waits until it listens, has said what a newcomer needs, and its model is loaded.
start() { # SECONDS [MILLISECONDS until it listens]
    local until=$((SECONDS + $1)) began took
    began=$(milliseconds)
    : >"$log"
    ./dev run --yes --model-size small --listen 127.0.0.1:0 > >(tee "$log" | sed -u 's/^/   | /') 2>&1 </dev/null &
    run_pid=$!
    until url=$(sed -n 's/^listening on //p' "$log" | head -n 1) && [[ -n $url ]]; do
        ((SECONDS < until)) || fail "no 'listening on' line after $1 s"
        kill -0 "$run_pid" 2>/dev/null || fail "./dev run ended"
        sleep 0.02
    done
    took=$(($(milliseconds) - began))
    say "listening on $url after $took ms"
    ((took <= ${2:-$took})) || fail "it should have listened within $2 ms"
    until_said "$until" '^  The model: local/[^ ]+ \(on this machine' "the model"
    until_said "$until" "^    curl $url/chat -H " "the curl to try"
    until [[ $(curl -s -o /dev/null -w '%{http_code}' "$url/readyz") == 200 ]]; do
        ((SECONDS < until)) || fail "/readyz is not 200 after $1 s"
        sleep 0.2
    done
    say "ready after $(($(milliseconds) - began)) ms"
}

until_said() { # UNTIL PATTERN WHAT
    until grep -qE "$2" "$log"; do
        ((SECONDS < $1)) || fail "the start does not tell $3"
        sleep 0.02
    done
}

stop() { # SIGNAL
    local status=0
    kill "-$1" "$run_pid"
    wait "$run_pid" || status=$?
    say "./dev run ended with status $status on SIG$1"
    [[ $1 != TERM || $status == 0 ]] || fail "a graceful stop ends with status 0"
}

# The one process here that runs the server's binary (pgrep's package is not in a new system).
server_pid() {
    local folder
    for folder in /proc/[0-9]*; do
        if [[ $(tr '\0' ' ' <"$folder/cmdline" 2>/dev/null) == *build/release/tertulia\ serve\ * ]]; then
            basename "$folder"
            return
        fi
    done
    fail "no process runs build/release/tertulia"
}

# The README's curl commands, a line each: those that follow a `$ `, with their continued lines.
readme_curls() {
    awk '/^\$ curl / {
        command = substr($0, 3)
        while (sub(/\\$/, "", command) && (getline line) > 0) command = command line
        print command
    }' README.md
}

answer='' # what `ask` got last

ask() { # COMMAND of the README, which speaks of the default address
    printf '   $ %s\n' "$1"
    answer=$(bash -c "${1//localhost:8080/${url#http://}}") || fail "curl ended with status $?"
    printf '   %s\n' "$answer"
}

expect() { # PATTERN WHAT
    grep -qE "$1" <<<"$answer" || fail "$2"
}

apt-get -q update >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -y -q install --no-install-recommends git >/dev/null 2>&1 || fail "apt-get install git"
cd /root/tertulia

say "./dev run"
start 3600
mapfile -t curls < <(readme_curls)
((${#curls[@]} >= 2)) || fail "the README has no two curl commands"
ask "${curls[0]}"
expect '"conversation_length": ?2' "the first answer"
ask "${curls[1]}"
expect '"conversation_length": ?4' "the second answer"
expect '"message": ?"[^"]*Ada' "the second answer does not remember the name"

say "killing the server, without a chance to clean up"
server=$(server_pid)
kill -KILL "$server"
wait "$run_pid" || true
say "starting it again"
start 60 2000
ask "curl -s localhost:8080/sessions/first/messages"
expect 'My name is Ada' "the session is forgotten"
ask "${curls[1]}"
expect '"conversation_length": ?6' "the session goes on where it was"
stop TERM

if [[ $with_tests == yes ]]; then
    say "./dev test"
    ./dev test || fail "./dev test"
fi
say "everything that the README promises works in an empty Debian 12"
