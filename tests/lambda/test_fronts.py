"""The black-box tests of the fronts of a Lambda function, and of the program behind AWS's emulator, once more with the programs out of
their zips."""

import os
import pathlib
import platform
import shlex
import subprocess
import sys
import unittest

from bootstraps import KINDS, ROOT, unpacked

# Those that need no store that several sandboxes share.
MODULES = ("test_lambda", "test_lambda_streaming")
# AWS's emulator is the machine's own.
MODULES_HERE = ("test_lambda_emulator",)


class FrontsTest(unittest.TestCase):
    def run_with(self, kind):
        command = unpacked(KINDS[kind], type(self))
        modules = MODULES + (MODULES_HERE if platform.machine() == KINDS[kind].uname else ())
        if len(command) > 1:  # the tests know a program by its path alone
            script = pathlib.Path(command[-1]).with_suffix(".sh")
            script.write_text(f"#!/bin/sh\nexec {shlex.join(command)} \"$@\"\n")
            script.chmod(0o755)
            command = [str(script)]
        done = subprocess.run([sys.executable, "-B", "-m", "unittest", *modules], cwd=ROOT / "tests/blackbox",
                              env=os.environ | {"TERTULIA_BINARY": command[0], "TERTULIA_TEST_LAMBDA_STORE": "memory:"},
                              capture_output=True, text=True, timeout=280)
        self.assertEqual(done.returncode, 0, done.stderr[-6000:])

    def test_x86_64(self):
        self.run_with("x86_64")

    def test_arm64(self):
        self.run_with("arm64")


if __name__ == "__main__":
    unittest.main()
