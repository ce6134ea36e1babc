# ./dev bench [options of bench/run.py]

. tools/dev/build.sh

dev_bench() {
    need build bench
    build_preset release all
    python bench/run.py "$@"
}
