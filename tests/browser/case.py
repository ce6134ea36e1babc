"""What the browser tests share: a server with the scripted provider of the whole-server tests, and a browser for it."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "blackbox"))

from browser import CHROMIUM, DRIVER, MISSING, Browser, WebDriverError  # noqa: E402
from harness import ServerCase, wait_for  # noqa: E402

__all__ = ["ENTER", "ESCAPE", "PATIENCE", "RELEASE", "SHIFT", "BrowserCase", "wait_for"]

ENTER, SHIFT, ESCAPE, RELEASE = "\ue007", "\ue008", "\ue00c", "\ue000"
PATIENCE = 30  # seconds, on a busy machine

# The messages that the page shows: who, the text, how the answer stands, and what stands below it.
MESSAGES = """return [...document.querySelectorAll('#log article')].map((article) => ({
    role: article.classList[0], text: article.querySelector('.body').innerText.trim(), state: article.dataset.state ?? '',
    pending: article.classList.contains('pending'), foot: article.querySelector('footer').innerText }));"""


class BrowserCase(ServerCase):
    """One browser for the class; each test has the sessions that it names."""

    @classmethod
    def setUpClass(cls):
        if not (CHROMIUM and DRIVER):
            if os.environ.get("CI") == "true":
                raise RuntimeError(MISSING)
            raise unittest.SkipTest(MISSING)
        super().setUpClass()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.first_window = cls.browser.window()

    def setUp(self):
        self.browser.switch(self.first_window)
        self.session = self.id().rpartition(".")[2]

    def open(self, session=None, server=None):
        """The page of this session (of the test's own, when none is named)."""
        self.browser.open("about:blank")
        self.browser.open(f"{(server or self.server).url}/#{self.session if session is None else session}")

    def say(self, text):
        self.browser.type("#text", text + ENTER)

    def messages(self):
        return self.browser.run(MESSAGES)

    def wait_messages(self, condition, what):
        """Waits until condition(messages) is true; the messages."""
        try:
            wait_for(lambda: condition(self.messages()), what, PATIENCE)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; the page shows {self.messages()}") from None
        return self.messages()

    def wait_text(self, text):
        """Waits until the last answer shows exactly this text."""
        return self.wait_messages(lambda shown: shown and shown[-1]["text"] == text, f"the text {text!r}")

    def wait_state(self, state):
        return self.wait_messages(lambda shown: shown and shown[-1]["state"] == state, f"an answer that is {state}")

    def texts(self):
        return [(message["role"], message["text"]) for message in self.messages()]

    def press(self, name):
        """The button with this text."""
        self.browser.run(
            "[...document.querySelectorAll('button')].find((b) => b.checkVisibility() && b.innerText.trim() === arguments[0]).click()",
            name,
        )

    def second_window(self):
        handle = self.browser.new_window()
        self.addCleanup(self.close_window, handle)
        return handle

    def close_window(self, handle):
        try:
            self.browser.switch(handle)
            self.browser.ask("DELETE", "/window")
        except WebDriverError:
            pass
        self.browser.switch(self.first_window)
