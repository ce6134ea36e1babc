# ./dev build [--preset NAME]

dev_build() {
    local preset=release
    while (($# > 0)); do
        case "$1" in
            --preset) preset=${2:?./dev build: --preset needs a name}; shift 2 ;;
            --preset=*) preset=${1#*=}; shift ;;
            *) die "build: unknown option '$1'" ;;
        esac
    done
    [[ $preset =~ ^(dev|tsan|release|fuzz)$ ]] || die "build: no preset '$preset' (release, dev, tsan, fuzz)"
    need build
    build_preset "$preset"
    [[ $preset != release ]] || say "Built build/release/tertulia."
}

# build_preset NAME [TARGET...]: without targets what the build preset names. A fraction of a second if all is built:
# CMake is run by hand only for a new directory or changed presets, ninja itself sees the rest.
build_preset() {
    local preset=$1 configured=build/$1/.configured
    shift
    if [[ ! -f build/$preset/build.ninja || ! $configured -nt CMakePresets.json ]]; then
        say "Configuring build/$preset ..."
        mkdir -p "build/$preset"
        quietly "build/$preset/configure.log" cmake --preset "$preset"
        touch "$configured"
    fi
    # The launcher of the compiler cache is in the build files; a clone elsewhere may share what this one compiled.
    export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
    if (($# == 0)); then
        cmake --build --preset "$preset" >&2
    else
        cmake --build --preset "$preset" --target "$@" >&2
    fi
}

# quietly LOG COMMAND...: the output is shown only if the command fails.
quietly() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    return "$status"
}
