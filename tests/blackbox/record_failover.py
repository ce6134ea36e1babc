#!/usr/bin/env python3
"""Records the terminal session of docs/reliability.md: an answer that is cut at one provider and finished at another.

The server and curl are real, the two providers are the mock of these tests under real models' names. Prints what a
terminal would show:   TERTULIA_BINARY=... ./record_failover.py
"""

import pathlib
import subprocess
import tempfile

from answers import CUT, Answer, Pause, Usage
from faulty_provider import TOKENS, FaultyProvider, whole_text
from server import Server, binary, environment

CONFIG = """\
[[routes]]
name = "smart"
targets = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]
"""
CUT_AFTER = 33  # tokens: in the middle of a sentence
BODY = '{"message": "What is a tertulia?", "session_id": "evening", "model": "smart", "stream": true}'


def pieces(tokens, size=6):
    """A few tokens at a time, as providers under load send them, with a pause after each."""
    texts = ["".join(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    return [part for text in texts for part in (text, Pause(0.05))]


def go_on(request):
    """What the second model makes of the beginning that it is shown."""
    shown = [text for _, text in request.messages]
    assert whole_text().startswith(shown[1]), shown
    return Answer(*pieces(TOKENS[CUT_AFTER:60]), usage=Usage(input=len(" ".join(shown).split()), output=60 - CUT_AFTER))


def main():
    provider = FaultyProvider()
    provider.script("claude-sonnet-4-5", Answer(*pieces(TOKENS[:CUT_AFTER]), CUT, usage=Usage(input=18)))
    provider.script("gpt-5", go_on)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "tertulia.toml").write_text(CONFIG)
        keys = {
            "ANTHROPIC_API_KEY": "a-mock-takes-any",
            "ANTHROPIC_BASE_URL": provider.url,
            "OPENAI_API_KEY": "a-mock-takes-any",
            "OPENAI_BASE_URL": provider.url + "/v1",
        }
        server = Server("--listen", "127.0.0.1:0", "--store", "memory:", env=keys, cwd=folder)
        try:
            address = server.url.removeprefix("http://")
            play(folder, keys, "cat tertulia.toml")
            play(folder, keys, f"curl -sN {address}/chat -H 'content-type: application/json' \\\n       -d '{BODY}'")
            play(folder, keys, f"tertulia usage --url http://{address}")
        finally:
            server.stop()
            provider.close()


def play(folder, keys, command):
    """Runs it in a shell, in which `tertulia` is the binary, and prints both as a terminal shows them."""
    named = {"PATH": f"{folder}/bin:/usr/bin:/bin"}
    link = pathlib.Path(folder) / "bin" / "tertulia"
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(pathlib.Path(binary()).resolve())
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment(keys | named), capture_output=True)
    print("$ " + command)
    print(done.stdout.decode() + done.stderr.decode())


if __name__ == "__main__":
    main()
