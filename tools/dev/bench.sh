# ./dev bench [options of bench/run.py]

. tools/dev/build.sh

dev_bench() {
    need build bench
    build_preset release tertulia bench_programs
    python bench/run.py "$@"
}
