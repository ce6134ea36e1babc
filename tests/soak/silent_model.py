#!/usr/bin/env python3
"""nginx with its default settings (60 s without a byte end a connection) and a model that says nothing for 3 minutes."""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))
import nginx  # noqa: E402
from answers import Answer  # noqa: E402
from client import open_events, open_stream  # noqa: E402
from fake_upstream import Gate  # noqa: E402
from harness import ServerCase  # noqa: E402
from ws import WebSocket  # noqa: E402

SILENT_SECONDS = 180


@unittest.skipUnless(nginx.PROGRAM, "no nginx (./dev deps test installs it)")
class SilentModelSoak(ServerCase):
    config = {"deadlines": {"first_token_ms": 400_000, "between_tokens_ms": 400_000, "turn_ms": 600_000}}

    def test_it_survives(self):
        proxy = nginx.Nginx(self.folder / "nginx", self.server.url)
        self.addCleanup(proxy.stop)
        gate = Gate()
        self.upstream.script("from-the-start", Answer("a", "b", before=[gate]))
        self.upstream.script("in-the-middle", Answer("a", gate, "b"))
        models = ("openai/from-the-start", "anthropic/in-the-middle")
        streams = [
            open_stream(proxy.url, {"message": "x", "session_id": m[:4], "model": m}, timeout=60) for m in models
        ]
        feed = open_events(proxy.url, "/sessions/open/events", timeout=60)
        socket = WebSocket(proxy.url, {"origin": proxy.url}, timeout=60)
        self.addCleanup(socket.drop)
        socket.chat("x", "socket", model="openai/in-the-middle")
        socket.until("text.delta")
        begun = time.monotonic()
        while time.monotonic() < begun + SILENT_SECONDS:
            for reader in (*streams, feed):
                reader.until(":")
            opcode, data = socket.read_frame()
            self.assertEqual(opcode, 9)
            socket.frame(10, data)
        gate.open()
        self.assertEqual([s.finish().json["message"] for s in streams], ["ab", "ab"])
        self.assertEqual(feed.until("turn.completed").json["message"], "ab")
        self.assertEqual(socket.finish()["data"]["message"], "ab")
        print(f"{SILENT_SECONDS} s of silence through nginx: nothing was cut", flush=True)


if __name__ == "__main__":
    unittest.main()
