"""Unit tests of what differs between processors (hashes, checksums, the order of bytes, events), built for arm64."""

import os
import platform
import shutil
import subprocess
import unittest

from bootstraps import KINDS, ROOT

# Not worth their time under emulation, or not possible there: what starts other programs, what is run thousands of times.
LEFT_OUT = "RunProcess*:CredentialSource*:*RunsACredentialProcess"


class ArmTest(unittest.TestCase):
    def run_program(self, name):
        found = list((ROOT / "build/lambda-arm64/src").rglob(name))
        if not found:
            if os.environ.get("CI") == "true":
                self.fail(f"{name} was not built for arm64")
            self.skipTest(f"{name} is not built for arm64: ./dev test does it")
        kind = KINDS["arm64"]
        emulator = [] if platform.machine() == kind.uname else [kind.emulator]
        if emulator and not shutil.which(kind.emulator):
            self.skipTest(f"no {kind.emulator} (package qemu-user-static)")
        done = subprocess.run([*emulator, found[0], "--gtest_brief=1", "--gtest_filter=-" + LEFT_OUT], cwd=ROOT,
                              capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-2000:])
        self.assertRegex(done.stdout, r"\[  PASSED  \] \d\d+ tests")

    def test_base(self):
        self.run_program("base_test")

    def test_aws(self):
        self.run_program("aws_test")

    def test_lambda(self):
        self.run_program("lambda_test")


if __name__ == "__main__":
    unittest.main()
