# Lists of our own sources, new files included, ignored ones not. `-0` ends each name with a zero byte.

cxx_sources() {
    local end='\n'
    [[ ${1:-} != -0 ]] || end='\0'
    git ls-files --cached --others --exclude-standard -z -- 'src/**.h' 'src/**.cpp' 'tests/**.h' 'tests/**.cpp' \
        'bench/**.h' 'bench/**.cpp' 'fuzz/**.h' 'fuzz/**.cpp' |
        while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf "%s$end" "$file"; done
}
