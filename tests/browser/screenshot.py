#!/usr/bin/env python3
"""screenshot.py [FILE]: renews docs/images/page.png, the README's picture of the page, from the real page, server and browser.

Only the model is scripted. TERTULIA_BINARY names the server, as for the tests.
"""

import pathlib
import sys
import tempfile

import case  # where the whole-server tests' modules are

from answers import Answer, Thinking, Usage
from browser import Browser
from fake_upstream import FakeUpstream, Gate
from harness import ROOT
from server import Server

EARLIER = (
    ("Plan three days in Granada, slowly.", "Day one belongs to the Albaicín ..."),
    ("What is a monad, without category theory?", "A way to chain steps that each bring a little extra ..."),
    ("Rename these columns in SQL, please.", "`ALTER TABLE ... RENAME COLUMN ...`"),
)
QUESTION = "My train is about to enter a tunnel. What happens to your answer?"
FIRST = """It **goes on without you**. The turn belongs to this conversation, not to your connection:

1. I keep writing, and every piece is stored under its number,
2. your page comes back and says which number it saw last,
3. you get the next one: nothing is lost, nothing comes twice.

The same works from your phone. A second device may also just listen:

```
GET /sessions/tunnel/events
Last-Event-ID: t_5cLwV0sQz8RkYb2mJ7HdXa:42
```
"""
REST = "\nAnd should the server itself"


def main(file):
    upstream, gate = FakeUpstream(), Gate()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            *("--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/tertulia.db", "--model", "openai/gpt-5"),
            env={"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": upstream.url + "/v1"},
            cwd=folder,
        )
        browser = Browser(1200, 700)
        try:
            for i, (question, answer) in enumerate(reversed(EARLIER)):
                upstream.script("gpt-5", Answer(answer))
                server.chat(question, f"earlier-{i}")
            upstream.script("gpt-5", Answer(Thinking("They worry about the tunnel."), FIRST, REST, gate, usage=Usage(40, 0, 0, 170)))
            server.stream(QUESTION, "tunnel").until("text.delta")
            browser.resize(1200, 700, scale=2)
            browser.open(f"{server.url}/#tunnel")
            case.wait_for(lambda: REST.strip() in browser.run("return document.getElementById('log').innerText"), "the answer")
            browser.run("document.getElementById('scroll').scrollTop = 0; document.activeElement.blur()")
            pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(file).write_bytes(browser.screenshot())
            gate.open()
        finally:
            browser.close()
            server.stop()
            upstream.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/images/page.png")
