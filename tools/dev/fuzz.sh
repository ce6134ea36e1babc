# ./dev fuzz [SECONDS]: each fuzzer for a bounded time. What it finds stays in build/fuzz, the corpus too.

. tools/dev/build.sh

dev_fuzz() {
    local seconds=${1:-60}
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz: SECONDS is a whole number, not '$seconds'"
    need build
    build_preset fuzz
    run_fuzzers "$seconds"
}

# run_fuzzers SECONDS: fails after the first that finds something.
run_fuzzers() {
    local fuzzer name corpora log count=0
    for fuzzer in build/fuzz/fuzz/fuzz_*; do
        [[ -f $fuzzer && -x $fuzzer ]] || continue
        count=$((count + 1))
        name=$(basename "$fuzzer")
        log=build/fuzz/$name.log
        corpora=("build/fuzz/corpus/$name") # the first is where new inputs go
        mkdir -p "${corpora[@]}"
        [[ ! -d fuzz/corpus/$name ]] || corpora+=("fuzz/corpus/$name")
        if ! "$fuzzer" -max_total_time="$1" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/$name-" "${corpora[@]}" >"$log" 2>&1; then
            tail -n 60 "$log" >&2
            say "$name found something (all of it: $log). Again: $fuzzer FILE, with the file named above."
            return 1
        fi
        say "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $1 s, nothing found"
    done
    ((count > 0)) || die "fuzz: there is no fuzzer in build/fuzz/fuzz"
}
