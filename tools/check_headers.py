#!/usr/bin/env python3
"""Compiles every header of src/tertulia alone, without the precompiled one: a header must bring all that it needs.

Takes the flags of a file of the same folder from build/dev/compile_commands.json; arguments: headers (default: all).
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def flags_of(folder, commands):
    for entry in commands:
        path = pathlib.Path(entry['file'])
        if path.parent == folder and not path.name.endswith('_test.cpp'):
            words = shlex.split(entry['command'])
            return [w for w in words if w.startswith(('-I', '-isystem', '-D', '-std', '-W'))]
    return ['-std=c++23', '-I' + str(ROOT / 'src')]


def check(header, flags):
    done = subprocess.run(['clang++-19', *flags, '-Wno-pragma-once-outside-header', '-fsyntax-only', '-x', 'c++', str(header)],
                          capture_output=True, text=True)
    return header, done.returncode, done.stderr


def main():
    commands = json.loads((ROOT / 'build/dev/compile_commands.json').read_text())
    headers = [pathlib.Path(a).resolve() for a in sys.argv[1:]] or sorted((ROOT / 'src/tertulia').rglob('*.h'))
    folders = {h.parent: flags_of(h.parent, commands) for h in headers}
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, status, errors in pool.map(lambda h: check(h, folders[h.parent]), headers):
            if status:
                bad += 1
                print('%s does not compile alone:\n%s' % (header.relative_to(ROOT), errors[:1500]))
    print('%d headers, %d do not compile alone' % (len(headers), bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
