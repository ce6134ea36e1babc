# ./dev lint: formatting, layers, headers, scripts, clang-tidy (its part takes half an hour on two cores). Shows
# everything that it finds before it fails.

. tools/dev/build.sh

dev_lint() {
    local failed=()
    need build lint
    build_preset dev # clang-tidy reads its compile commands, and the precompiled headers that they name
    configure_preset fuzz # the fuzzers' commands name no such headers
    check formatting tools/check_format.sh
    check layers python tools/check_layers.py
    check headers python tools/check_headers.py
    check shell shell_is_clean
    check python python_compiles
    check clang-tidy tidy_is_clean
    ((${#failed[@]} == 0)) || die "lint: not clean: ${failed[*]}"
    say "Lint is clean."
}

check() { # NAME COMMAND...
    say "$1 ..."
    "${@:2}" || failed+=("$1")
}

shell_is_clean() { shellcheck --external-sources --shell=bash dev .ci/run tools/*.sh tools/dev/*.sh; }

python_compiles() {
    git ls-files --cached --others --exclude-standard -z -- '*.py' |
        xargs -0 --no-run-if-empty /usr/bin/env python3 -c 'import sys
for name in sys.argv[1:]: compile(open(name, encoding="utf-8").read(), name, "exec")'
}

tidy_is_clean() {
    local status=0
    tidy dev '(src|tests|bench)' || status=1
    tidy fuzz fuzz || status=1
    return "$status"
}

# One finding is enough to fail; clang-tidy's count of suppressed warnings is not worth a line each.
tidy() { # PRESET FOLDERS, as a regular expression
    local log=build/tidy-$1.log
    run-clang-tidy-19 -quiet -p "build/$1" -warnings-as-errors='*' "^$PWD/$2/" >"$log" 2>&1 || {
        grep -E -A4 '(warning|error):' "$log" >&2 || tail -n 20 "$log" >&2
        return 1
    }
}
