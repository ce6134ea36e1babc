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

# build_preset NAME [TARGET...]: without targets what the build preset names. A fraction of a second if all is built.
build_preset() {
    local preset=$1
    shift
    configure_preset "$preset"
    # The launcher of the compiler cache is in the build files; a clone elsewhere may share what this one compiled.
    export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
    if (($# == 0)); then
        cmake --build --preset "$preset" >&2
    else
        cmake --build --preset "$preset" --target "$@" >&2
    fi
}

# CMake is run by hand only for a new directory or changed presets, ninja itself sees the rest.
configure_preset() { # NAME
    local folder=build/$1
    [[ ! -f $folder/build.ninja || ! $folder/.configured -nt CMakePresets.json ]] || return 0
    say "Configuring $folder ..."
    mkdir -p "$folder"
    quietly "$folder/configure.log" cmake --preset "$1"
    touch "$folder/.configured"
}

# quietly LOG COMMAND...: the output is shown only if the command fails.
quietly() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    return "$status"
}
