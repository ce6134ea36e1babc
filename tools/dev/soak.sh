# ./dev soak [ROUNDS]: what needs minutes: many kills under load, many clients at one session, a model silent for long,
# and the turn log under ThreadSanitizer, which wants a build of its own.

. tools/dev/build.sh

dev_soak() {
    local rounds=${1:-100} silent_pid status=0
    [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "soak: ROUNDS is a whole number, not '$rounds'"
    need build test
    build_preset dev tertulia
    build_preset tsan sessions_test
    export TERTULIA_BINARY=$PWD/build/dev/tertulia
    # It only waits for its three minutes, so it does so beside the others.
    python -B -W ignore tests/soak/silent_model.py &
    silent_pid=$!
    python -B -W ignore tests/soak/hammer_session.py || status=1
    python -B -W ignore tests/soak/crash.py --rounds "$rounds" || status=1
    build/tsan/src/tertulia/sessions/sessions_test --gtest_filter='TurnLog*' --gtest_repeat=20 --gtest_brief=1 >&2 || status=1
    wait "$silent_pid" || status=1
    ((status == 0)) && say "The soak found nothing."
    return "$status"
}
