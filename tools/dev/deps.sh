# ./dev deps [USE...]: only installs what is missing.

dev_deps() {
    local use
    (($# > 0)) || set -- build
    for use in "$@"; do
        awk -v use="$use" '$1 == use { found = 1 } END { exit !found }' tools/packages.txt ||
            die "deps: tools/packages.txt knows no '$use'"
    done
    need "$@"
    say "Everything for $* is installed."
}
