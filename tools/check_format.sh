#!/usr/bin/env bash
# Are all C++ sources formatted as .clang-format says? Some seconds; `./dev fmt` mends what this finds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/dev/sources.sh

if ! command -v clang-format-19 >/dev/null; then
    echo "left out: no clang-format-19"
    [[ ${CI:-} != true ]]
    exit
fi
cxx_sources -0 | xargs -0 --no-run-if-empty clang-format-19 --dry-run -Werror
