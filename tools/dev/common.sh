# What several sub-commands of ./dev need. Sourced; the working directory is the project's root.

# Debian's, whatever else is first on the path: it is the one whose venv package is installed.
python() {
    if [[ -x /usr/bin/python3 ]]; then /usr/bin/python3 "$@"; else python3 "$@"; fi
}

say() { printf '%s\n' "$*" >&2; }

die() {
    printf './dev: %s\n' "$*" >&2
    exit 1
}

# need USE...: installs what tools/packages.txt lists for these uses and this machine lacks.
# Costs one dpkg-query when nothing is missing, so every command may ask.
need() {
    [[ -z ${TERTULIA_SKIP_DEPS:-} ]] || return 0
    local column wanted missing
    column=$(package_column)
    mapfile -t wanted < <(packages_for "$column" "$@")
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}") <(installed_of "${wanted[@]}"))
    ((${#missing[@]} > 0)) || return 0

    local become=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "packages are missing, and there is neither root nor sudo to install them:
  apt-get install --no-install-recommends ${missing[*]}"
        become=(sudo)
    fi
    say "Installing ${#missing[@]} missing packages: ${missing[*]}"
    "${become[@]}" bash tools/dev/install_packages.sh "${missing[@]}"
}

# Which column of the table is this system's.
package_column() {
    local ID='' VERSION_ID='' PRETTY_NAME='this system'
    # shellcheck source=/dev/null
    [[ ! -r /etc/os-release ]] || . /etc/os-release
    case "$ID:$VERSION_ID" in
        debian:12) echo 2 ;;
        ubuntu:24.04) echo 3 ;;
        *) die "it knows the packages of Debian 12 and Ubuntu 24.04, not those of $PRETTY_NAME.
Install what corresponds to tools/packages.txt, then set TERTULIA_SKIP_DEPS=1." ;;
    esac
}

packages_for() { # COLUMN USE...
    local column=$1
    shift
    awk -v column="$column" -v uses=" $* " \
        '!/^#/ && NF == 3 && index(uses, " " $1 " ") && $column != "-" { print $column }' tools/packages.txt | sort -u
}

installed_of() { # PACKAGE...
    # dpkg-query complains of each name that it has never heard of: those are missing, nothing else is wrong.
    { dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } |
        awk '$1 == "installed" { print $2 }' | sort -u
}
