"""The Dockerfile, and the files of the image that it makes: does the server run with them alone, and not as root?

There is no Docker here: the image's files are put together as the Dockerfile does it, and become the root of a process.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TERTULIA_BINARY", str(ROOT / "build/release/tertulia"))
NOBODY = "65532"


def hadolint():
    """The program beside the test packages (`./dev test` installs it), or nothing."""
    packages = os.environ.get("TERTULIA_TEST_PACKAGES")
    return shutil.which("hadolint", path=str(pathlib.Path(packages).parents[2] / "bin") if packages else None)


class DockerfileTest(unittest.TestCase):
    @unittest.skipUnless(hadolint(), "no hadolint: it comes with ./dev test")
    def test_a_linter_finds_nothing_in_it(self):
        done = subprocess.run([hadolint(), ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_what_runs_is_not_root_and_has_no_shell(self):
        last = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
        self.assertTrue(last.startswith("scratch\n"), last)
        self.assertRegex(last, r"\nUSER %s:%s\n" % (NOBODY, NOBODY))
        self.assertIn('\nENTRYPOINT ["/usr/bin/tertulia"]\n', last)


@unittest.skipUnless(os.geteuid() == 0, "only root can make a folder the root of a process")
@unittest.skipUnless(os.path.exists(BINARY), "no program: %s" % BINARY)
class ImageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = tempfile.mkdtemp(prefix="tertulia-image-")
        cls.addClassCleanup(shutil.rmtree, cls.image)
        os.chmod(cls.image, 0o755)
        subprocess.run([ROOT / "tools/image_root.sh", BINARY, cls.image], check=True, timeout=60)

    def inside(self, *arguments, **environment):
        """Starts the program with the image as its root and the Dockerfile's user, in namespaces that end with it."""
        script = 'mount -t proc proc "$0/proc" && exec chroot --userspec=%s:%s "$0" /usr/bin/tertulia "$@"' % (NOBODY, NOBODY)
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.image, *arguments],
            env={"PATH": os.environ["PATH"], **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_it_holds_programs_and_libraries_and_nothing_to_explore_with(self):
        files = [path for path in pathlib.Path(self.image).rglob("*") if path.is_file()]
        executable = [path.name for path in files if os.access(path, os.X_OK) and ".so" not in path.name]
        self.assertEqual(executable, ["tertulia"])

    def test_the_server_runs_keeps_its_database_and_stops(self):
        server = self.inside("serve", TERTULIA_LISTEN="127.0.0.1:0", TERTULIA_STORE="sqlite:/data/tertulia.db",
                             OPENAI_API_KEY="none")
        listening = re.match(r"listening on (http://\S+)\n", server.stdout.readline())
        self.assertTrue(listening, "it did not start")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(listening[1] + "/sessions", timeout=20) as answer:
            self.assertEqual(json.load(answer)["sessions"], [])
        database = pathlib.Path(self.image, "data/tertulia.db")
        self.assertEqual(str(database.stat().st_uid), NOBODY)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=60)
        self.assertEqual(server.returncode, 0, errors)


if __name__ == "__main__":
    sys.exit(unittest.main())
