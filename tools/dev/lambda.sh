# ./dev lambda [x86_64|arm64]...: what AWS Lambda runs: build/lambda/ARCHITECTURE/tertulia.zip with one static program in it.

. tools/dev/build.sh

# Unit tests of what differs between processors, which tests/lambda runs under emulation.
lambda_unit_tests=(base_test aws_test lambda_test)

dev_lambda() {
    local architecture
    (($# > 0)) || set -- x86_64 arm64
    for architecture in "$@"; do
        [[ $architecture =~ ^(x86_64|arm64)$ ]] || die "lambda: '$architecture' is not x86_64 or arm64"
    done
    need build lambda
    make_sysroots
    for architecture in "$@"; do
        build_preset "lambda-$architecture" tertulia
        pack "$architecture"
    done
}

# All that tests/lambda looks at.
build_lambda() {
    dev_lambda x86_64 arm64
    build_preset lambda-arm64 "${lambda_unit_tests[@]}"
}

# The packages for both architectures, once, until the list of them changes.
make_sysroots() {
    local folder=build/sysroot column packages sources wanted
    column=$(package_column)
    mapfile -t packages < <(packages_for "$column" sysroot)
    mapfile -t sources < <(packages_for "$column" source)
    wanted="${sources[*]} -- ${packages[*]}"
    if [[ $(cat "$folder/made_of" 2>/dev/null || true) != "$wanted" ]]; then
        say "Unpacking the packages that the programs for Lambda are made of into $folder ..."
        quietly "build/sysroot.log" bash tools/dev/sysroot.sh "$folder" "${sources[@]}" -- "${packages[@]}"
        printf '%s\n' "$wanted" >"$folder/made_of"
        rm -rf build/lambda-x86_64/CMakeCache.txt build/lambda-arm64/CMakeCache.txt build/lambda-{x86_64,arm64}/.configured
    fi
}

pack() { # ARCHITECTURE
    local built=build/lambda-$1/tertulia stripped=build/lambda-$1/bootstrap archive=build/lambda/$1/tertulia.zip
    if [[ ! $archive -nt $built ]]; then
        llvm-strip-19 --strip-all -o "$stripped" "$built"
        python tools/lambda_zip.py "$stripped" "$archive"
    fi
    say "$archive: $(stat -c %s "$archive") bytes"
}
