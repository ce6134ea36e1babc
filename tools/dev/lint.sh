# ./dev lint: formatting, layers, headers, scripts, clang-tidy (its part takes half an hour on two cores). Shows
# everything that it finds before it fails.

. tools/dev/build.sh
. tools/dev/sources.sh

dev_lint() {
    local failed=()
    need build lint
    build_preset dev # clang-tidy reads its compile commands, and the precompiled headers that they name
    check formatting format_is_clean
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

format_is_clean() { cxx_sources -0 | xargs -0 --no-run-if-empty clang-format-19 --dry-run -Werror; }

shell_is_clean() { shellcheck --external-sources --shell=bash dev .ci/run tools/dev/*.sh; }

python_compiles() {
    git ls-files --cached --others --exclude-standard -z -- '*.py' |
        xargs -0 --no-run-if-empty /usr/bin/env python3 -c 'import sys
for name in sys.argv[1:]: compile(open(name, encoding="utf-8").read(), name, "exec")'
}

# One finding of clang-tidy is enough to fail; its count of suppressed warnings is not worth a line each.
tidy_is_clean() {
    run-clang-tidy-19 -quiet -p build/dev -warnings-as-errors='*' "^$PWD/(src|tests|bench)/" >build/tidy.log 2>&1 || {
        grep -E -A4 '(warning|error):' build/tidy.log >&2 || tail -n 20 build/tidy.log >&2
        return 1
    }
}
