"""`tertulia chat` on a terminal, with a server that asks for a token."""

import os
import pty
import select
import signal
import subprocess
import time
import unittest

from answers import Answer
from fake_upstream import Gate
from harness import ServerCase
from server import binary, environment, prepare_child

SECONDS = 20
TOKEN = "a-token-for-the-terminal"


class ChatTerminalTest(ServerCase):
    env = {"TERTULIA_API_TOKEN": TOKEN}
    shown = ""

    def open(self, *arguments):
        master, terminal = pty.openpty()
        process = subprocess.Popen(
            [binary(), "chat", "--url", self.server.url, *arguments],
            env=environment(),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            preexec_fn=prepare_child,
        )
        os.close(terminal)
        self.addCleanup(os.close, master)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return master, process

    def read_until(self, master, text):
        """What was shown up to and with `text`; the rest is kept for the next call."""
        end = time.monotonic() + SECONDS
        while text not in self.shown:
            ready, _, _ = select.select([master], [], [], max(0.0, end - time.monotonic()))
            self.assertTrue(ready, f"{text!r} is not in {self.shown!r}")
            self.shown += os.read(master, 4096).decode()
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def test_it_prompts_and_shows_the_text_as_it_comes(self):
        gate = Gate()
        self.upstream.script("typed", Answer("First part,", gate, " second part."))
        master, process = self.open("--model", "openai/typed", "--token", TOKEN)
        self.read_until(master, "> ")
        os.write(master, b"hello\n")
        self.assertNotIn("second part.", self.read_until(master, "First part,"))
        gate.open()
        self.read_until(master, "second part.\r\n> ")
        os.write(master, b"/quit\n")
        self.read_until(master, "resume with: tertulia chat --session ")
        self.assertEqual(process.wait(SECONDS), 0)

    def test_an_error_is_shown_and_the_conversation_goes_on(self):
        master, process = self.open("--token", "wrong")
        self.read_until(master, "> ")
        for _ in range(2):
            os.write(master, b"hello\n")
            self.read_until(master, "error: ")
            self.read_until(master, "> ")
        os.write(master, b"\x04")
        self.assertEqual(process.wait(SECONDS), 0)

    def test_it_begins_with_the_answer_that_is_being_written(self):
        gate = Gate()
        self.upstream.script("running", Answer("From before,", gate, " to now."))
        stream = self.server.stream(
            "x", "running", model="openai/running", headers={"authorization": f"Bearer {TOKEN}"}
        )
        stream.until("text.delta")
        stream.close()
        master, process = self.open("--session", "running", "--token", TOKEN)
        self.read_until(master, "From before,")
        gate.open()
        self.read_until(master, " to now.\r\n> ")
        os.write(master, b"/quit\n")
        self.assertEqual(process.wait(SECONDS), 0)

    def test_ctrl_c_at_the_prompt_ends_it_and_says_how_to_come_back(self):
        master, process = self.open("--token", TOKEN, "--session", "prompt")
        self.read_until(master, "> ")
        process.send_signal(signal.SIGINT)
        self.read_until(master, "resume with: tertulia chat --session prompt")
        self.assertEqual(process.wait(SECONDS), 0)


if __name__ == "__main__":
    unittest.main()
