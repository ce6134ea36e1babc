# ./dev fmt: formats the C++ sources in place.

. tools/dev/sources.sh

dev_fmt() {
    need lint
    cxx_sources -0 | xargs -0 --no-run-if-empty clang-format-19 -i
}
