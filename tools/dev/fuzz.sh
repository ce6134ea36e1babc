# ./dev fuzz [SECONDS]: each fuzzer for a bounded time. What it finds stays in build/fuzz, the corpus too.

. tools/dev/build.sh

dev_fuzz() {
    local seconds=${1:-60} fuzzer name found=0
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz: SECONDS is a whole number, not '$seconds'"
    need build
    build_preset fuzz
    for fuzzer in build/fuzz/fuzz/fuzz_*; do
        [[ -f $fuzzer && -x $fuzzer ]] || continue
        found=$((found + 1))
        name=$(basename "$fuzzer")
        local corpora=("build/fuzz/corpus/$name")
        mkdir -p "${corpora[@]}"
        [[ ! -d fuzz/corpus/$name ]] || corpora+=("fuzz/corpus/$name")
        say "$name: $seconds s ..."
        if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/$name-" "${corpora[@]}"; then
            die "fuzz: $name found something; run it again with the file named above: $fuzzer FILE"
        fi
    done
    ((found > 0)) || die "fuzz: no fuzzer in build/fuzz/fuzz"
    say "$found fuzzers found nothing in $seconds s each."
}
