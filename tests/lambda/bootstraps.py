"""The programs that `./dev lambda` makes, and how each is run on this machine."""

import collections
import os
import pathlib
import platform
import shutil
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/blackbox"))
sys.path.insert(0, str(ROOT / "tools"))

# `machine`: what the head of an ELF file calls it. `emulator`: runs it where the machine is another.
Kind = collections.namedtuple("Kind", "name machine uname emulator")
KINDS = {
    "x86_64": Kind("x86_64", 62, "x86_64", "qemu-x86_64-static"),
    "arm64": Kind("arm64", 183, "aarch64", "qemu-aarch64-static"),
}


def zip_of(kind):
    """The zip; the test is left out where it is not built. `./dev test` builds it, and in CI it has to be there."""
    path = ROOT / "build/lambda" / kind.name / "tertulia.zip"
    if not path.exists():
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{path} was not built")
        raise unittest.SkipTest(f"no {path}: ./dev lambda makes it")
    return path


def unpacked(kind, test_class):
    """The program out of its zip, as a command; the folder goes with the class."""
    path = zip_of(kind)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tertulia-bootstrap-"))
    test_class.addClassCleanup(shutil.rmtree, folder)
    with zipfile.ZipFile(path) as archive:
        archive.extract("bootstrap", folder)
    program = folder / "bootstrap"
    program.chmod(0o755)
    if platform.machine() == kind.uname:
        return [str(program)]
    if not shutil.which(kind.emulator):
        raise unittest.SkipTest(f"no {kind.emulator} (package qemu-user-static)")
    return [kind.emulator, str(program)]
