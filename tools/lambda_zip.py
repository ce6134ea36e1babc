#!/usr/bin/env python3
"""lambda_zip.py PROGRAM ZIP: packs PROGRAM as AWS Lambda wants it: one executable file `bootstrap` at the root. The same program
gives the same bytes: no times, no owners."""

import pathlib
import sys
import zipfile


def pack(program, archive):
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix: the mode counts
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w") as out:
        out.writestr(entry, program.read_bytes(), compresslevel=9)
    unfinished.replace(archive)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
