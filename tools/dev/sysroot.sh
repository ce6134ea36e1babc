#!/usr/bin/env bash
# sysroot.sh FOLDER SOURCE... -- PACKAGE...: what a build for Lambda compiles and links against, from Debian's packages: the source
# packages into FOLDER/NAME, and all the others for both architectures into FOLDER/amd64 and FOLDER/arm64. apt works with a
# configuration of its own, so that this system's packages and architectures stay as they are; no root is needed.
set -euo pipefail

folder=$(realpath -m "$1")
shift
sources=()
while [[ $1 != -- ]]; do
    sources+=("$1")
    shift
done
packages=("${@:2}")

# The sources that this system has for its own release, source packages too.
configure() {
    local file
    mkdir -p "$folder"/apt/{lists/partial,cache/archives/partial,sources}
    : >"$folder/apt/status"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        if [[ -f $file ]] && grep -qE "(^|[[:space:]])$VERSION_CODENAME([[:space:]/]|$)" "$file"; then
            sed -E -e 's/^Types: deb$/Types: deb deb-src/' -e 's/^deb (.*)/&\ndeb-src \1/' "$file" >"$folder/apt/sources/$(basename "$file")"
        fi
    done
    cat >"$folder/apt/apt.conf" <<END
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$folder/apt/sources";
APT::Architectures {"amd64"; "arm64";};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
END
    export APT_CONFIG=$folder/apt/apt.conf
}

unpack_packages() { # ARCHITECTURE
    local package
    mkdir -p "$folder/debs/$1" "$folder/$1"
    (cd "$folder/debs/$1" && apt-get -q -o "APT::Architecture=$1" download "${packages[@]}")
    for package in "$folder/debs/$1"/*.deb; do dpkg-deb -x "$package" "$folder/$1"; done
    # clang looks for the C library's start files in /lib, where Debian has only a link to /usr/lib.
    [[ -e $folder/$1/lib ]] || ln -s usr/lib "$folder/$1/lib"
}

unpack_source() { # NAME
    mkdir -p "$folder/debs/source"
    (cd "$folder/debs/source" && apt-get -q source --download-only "$1")
    dpkg-source --no-check -x "$folder/debs/source/$1"_*.dsc "$folder/$1"
}

# shellcheck source=/dev/null
. /etc/os-release
rm -rf "$folder"
configure
apt-get -q update
for architecture in amd64 arm64; do unpack_packages "$architecture"; done
for source in "${sources[@]}"; do unpack_source "$source"; done
rm -rf "$folder/debs" "$folder/apt"
