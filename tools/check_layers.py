#!/usr/bin/env python3
"""Checks every #include of src/tertulia against the layer table and the fences of ARCHITECTURE.md."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.M)


def read_table(text):
    """({folder: {folders}}, [(regex of an include, [path prefixes that may have it])]) from ARCHITECTURE.md."""
    layers, fences = {}, []
    for row in re.findall(r'^\| `(\w+)` \| ([^|]+) \|$', text, re.M):
        folder, allowed = row
        layers[folder] = None if allowed == 'everything' else set() if allowed == 'none of ours' else set(allowed.split(', '))
    for pattern, places in re.findall(r'^\| `([^`]+)` \| only in (.+?) \|$', text, re.M):
        fences.append((pattern, re.findall(r'`([^`]+)`', places)))
    return layers, fences


def main():
    layers, fences = read_table((ROOT / 'ARCHITECTURE.md').read_text())
    if len(layers) < 10 or not fences:
        print('ARCHITECTURE.md has no layer table that this script can read')
        return 1
    problems = []
    for path in sorted((ROOT / 'src/tertulia').rglob('*')):
        if path.suffix not in ('.h', '.cpp'):
            continue
        place = path.relative_to(ROOT / 'src/tertulia').as_posix()
        folder, is_test = place.split('/')[0], place.endswith('_test.cpp')
        if folder not in layers:
            problems.append('%s: the folder is not in the layer table' % place)
            continue
        for include in INCLUDE.findall(path.read_text()):
            if include.startswith('tertulia/'):
                other = include.split('/')[1]
                # A test may use what it needs to make its subject run.
                if other != folder and layers[folder] is not None and other not in layers[folder] and not is_test:
                    problems.append('%s includes %s, but %s may not include %s' % (place, include, folder, other))
            for pattern, places in fences:
                if include.startswith(pattern) and not any(place.startswith(p) for p in places):
                    problems.append('%s includes <%s>, which is for %s only' % (place, include, ', '.join(places)))
    print('\n'.join(problems) or 'the layers hold')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
