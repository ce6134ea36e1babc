# ./dev fresh [--with-tests]: follows the README in an empty Debian 12 system, to see that nothing is missing from the set-up.
#
# Everything happens in namespaces of its own for mounts and processes: whatever way this ends, the kernel takes the
# mounts away and kills what still runs, and only a plain folder is left to remove.

dev_fresh() {
    local with_tests=no base clean
    case "${1:-}" in
        '') ;;
        --with-tests) with_tests=yes ;;
        *) die "fresh: unknown option '$1'" ;;
    esac
    ((EUID == 0)) || die "fresh: run it as root: a chroot and its mounts need that"
    need fresh
    clean=$(git status --porcelain)
    [[ -z $clean ]] || say "Note: only what is committed is tried (HEAD), not the changes that lie here."

    base=$(mktemp -d "${TERTULIA_FRESH_DIRECTORY:-/var/tmp}/tertulia-fresh.XXXXXX")
    # shellcheck disable=SC2064 # now, while the local is known
    trap "remove_fresh '$base'" EXIT
    trap 'exit 130' INT TERM
    unshare --mount --propagation private --pid --fork --kill-child=KILL \
        bash tools/dev/fresh_system.sh "$PWD" "$base/system" "$with_tests"
}

# Never over a mount: there can be none in this namespace, and if there is one, it stays.
remove_fresh() { # FOLDER
    if awk -v base="$1/" 'index($5 "/", base) == 1 { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        say "fresh: something is mounted below $1; not removed"
    else
        rm -rf --one-file-system -- "$1"
    fi
}
