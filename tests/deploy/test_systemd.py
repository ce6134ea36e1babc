"""The unit for systemd: is every line understood, and how much could the service do if it were taken over?"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/systemd/tertulia.service"
# systemd's own scale from 0 (nothing) to 10 (everything): what has a network and answers it cannot be far below this.
MOST_EXPOSED = 1.5


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze (package systemd)")
class UnitTest(unittest.TestCase):
    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def verify(self, text):
        """Beside the system's own units, and with the program where the unit expects it."""
        with tempfile.TemporaryDirectory() as root:
            root = pathlib.Path(root)
            program = root / "usr/local/bin/tertulia"
            program.parent.mkdir(parents=True)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
            (root / "lib").symlink_to("usr/lib")
            unit = root / "etc/systemd/system" / UNIT.name
            unit.parent.mkdir(parents=True)
            unit.write_text(text)
            done = self.analyze("verify", "--man=no", "--root=%s" % root, UNIT.name)
            return done.returncode, [line for line in done.stderr.splitlines() if "tertulia" in line]

    def test_every_line_is_understood(self):
        self.assertEqual(self.verify(UNIT.read_text()), (0, []))
        _, complaints = self.verify(UNIT.read_text().replace("ProtectSystem=", "ProtectSistem="))
        self.assertEqual(len(complaints), 1, "a wrong line is not noticed")

    def test_it_could_do_little(self):
        done = self.analyze("security", "--offline=true", "--threshold=%d" % (MOST_EXPOSED * 10), UNIT)
        exposure = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(exposure, done.stdout + done.stderr)
        self.assertLessEqual(float(exposure[1]), MOST_EXPOSED, done.stdout)
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    sys.exit(unittest.main())
