# ./dev soak [ROUNDS]: what needs minutes: many kills under load, many clients at one session, a model silent for long.

. tools/dev/build.sh

dev_soak() {
    local rounds=${1:-100} silent_pid status=0
    [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "soak: ROUNDS is a whole number, not '$rounds'"
    need build test
    build_preset dev tertulia
    export TERTULIA_BINARY=$PWD/build/dev/tertulia
    # It only waits for its three minutes, so it does so beside the others.
    python -B -W ignore tests/soak/silent_model.py &
    silent_pid=$!
    python -B -W ignore tests/soak/hammer_session.py || status=1
    python -B -W ignore tests/soak/crash.py --rounds "$rounds" || status=1
    wait "$silent_pid" || status=1
    ((status == 0)) && say "The soak found nothing."
    return "$status"
}
