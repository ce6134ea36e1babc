"""/ws with an independent client: the PyPI package `websockets`, which was not written with this server in mind.

TERTULIA_TEST_PACKAGES is the folder that holds it; `./dev test` installs it and says where it is.
"""

import contextlib
import json
import os
import sys
import threading
import unittest

PACKAGES = os.environ.get("TERTULIA_TEST_PACKAGES")
if PACKAGES:
    sys.path.append(PACKAGES)
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect
    from websockets.sync.server import serve

from answers import STALL, Answer
from fake_upstream import Held
from harness import ServerCase
from needs import needs
from ws import CONTINUATION, TEXT, WebSocket

TOKEN = "blackbox-token-0123456789abcdef"
MISSING = "no WebSocket library: TERTULIA_TEST_PACKAGES is not set"
TERMINAL = ("turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted")


@needs(PACKAGES, MISSING)
class OwnClientTest(unittest.TestCase):
    """The client of the other tests, with the library's server: what those stand on must not be wrong in secret."""

    def setUp(self):
        def answer(peer):
            with contextlib.suppress(ConnectionClosed):
                for message in peer:
                    peer.send(json.dumps({"type": "echo", "data": message}))

        self.peer = serve(answer, "127.0.0.1", 0, ping_interval=0.05)
        threading.Thread(target=self.peer.serve_forever, daemon=True).start()
        self.addCleanup(self.peer.shutdown)
        self.url = "http://127.0.0.1:%d" % self.peer.socket.getsockname()[1]

    def test_messages_pings_and_closes(self):
        with WebSocket(self.url) as ws:
            for text in ("", "x", "grüße 😀", "y" * 125, "y" * 126, "z" * 70_000):
                ws.send(text)
                self.assertEqual(ws.until("echo")["data"], text)
            while len(ws.pings) < 3:
                ws.send("go on")
                ws.until("echo")
            ws.frame(TEXT, "wör".encode()[:2], final=False)
            ws.frame(CONTINUATION, "wör".encode()[2:])
            self.assertEqual(ws.until("echo")["data"], "wör")
            ws.frame(TEXT, b"\xff")
            self.assertEqual(ws.closed(), 1007)
        with WebSocket(self.url) as ws:
            ws.connection.send(WebSocket.encode(TEXT, b"x", reserved=1))
            self.assertEqual(ws.closed(), 1002)


@needs(PACKAGES, MISSING)
class LibraryCase(ServerCase):
    def connect(self, server=None, **options):
        url = (server or self.server).url.replace("http://", "ws://") + "/ws"
        socket = connect(url, proxy=None, open_timeout=10, **options)
        self.addCleanup(socket.close)
        return socket

    def send(self, socket, **fields):
        socket.send(json.dumps(fields))

    @staticmethod
    def seen(messages):
        """What a reader of server-sent events sees of them."""
        kept = [(m["id"], m["type"], dict(m["data"])) for m in messages]
        for _, _, data in kept:
            data.pop("request_id", None)  # each request's own
        return kept

    def until(self, socket, *types):
        messages = []
        while not messages or messages[-1]["type"] not in types:
            messages.append(json.loads(socket.recv(timeout=20)))
        return messages


class LibraryTest(LibraryCase):
    def test_a_chat_resumed_and_cancelled(self):
        held = Held("one ", "zwei ", "三", "never")
        self.upstream.script("library", held.answer)
        with self.connect() as first:
            self.send(first, type="chat", message="x", session_id="library", model="openai/library")
            held.next(2)
            seen = self.until(first, "turn.started") + self.until(first, "text.delta")
        turn = seen[0]["data"]["turn_id"]
        with self.connect() as second:
            self.send(second, type="resume", session_id="library", turn_id=turn, last_event_id=seen[-1]["id"])
            held.next()
            seen += self.until(second, "text.delta") + self.until(second, "text.delta")
            self.send(second, type="cancel", session_id="library", turn_id=turn)
            seen += self.until(second, *TERMINAL)
        self.assertEqual(seen[-1]["type"], "turn.cancelled")
        self.assertEqual("".join(m["data"].get("text", "") for m in seen), "one zwei 三")
        reader = self.server.events("library", turn)
        reader.finish()
        self.assertEqual(self.seen(seen), reader.seen)

    def test_what_it_negotiates(self):
        """It offers compression of messages; that is declined, and everything goes on."""
        socket = self.connect(subprotocols=["tertulia"])
        self.assertEqual(socket.subprotocol, "tertulia")
        self.assertEqual(socket.protocol.extensions, [])
        self.send(socket, type="ping")
        self.assertEqual(self.until(socket, "pong"), [{"type": "pong"}])
        self.assertTrue(socket.ping().wait(10))

    def test_fragments_and_large_messages(self):
        socket, text = self.connect(max_size=None), "wört " * 30_000
        frame = json.dumps({"type": "chat", "message": text, "session_id": "large"})
        socket.send(frame[i : i + 1000] for i in range(0, len(frame), 1000))
        self.assertEqual(self.until(socket, *TERMINAL)[-1]["data"]["message"], "[1] " + text)

    def test_closing(self):
        socket = self.connect()
        socket.close(4001, "enough")
        self.assertIn(socket.close_code, (4001, 1000))
        for data, code in ((b"binary", 1003), ("x" * 1_100_000, 1009)):
            with self.subTest(code):
                socket = self.connect()
                with self.assertRaises(ConnectionClosed) as caught:
                    socket.send(data)
                    while True:
                        socket.recv(timeout=20)
                self.assertEqual(caught.exception.rcvd and caught.exception.rcvd.code, code)

    def test_a_foreign_origin(self):
        with self.assertRaises(InvalidStatus) as caught:
            self.connect(origin="https://evil.example")
        self.assertEqual(caught.exception.response.status_code, 403)

    def test_a_device_that_watches(self):
        self.upstream.script("watched", Answer("said ", STALL))
        watcher, writer = self.connect(), self.connect()
        self.send(watcher, type="subscribe", session_id="watched")
        self.send(watcher, type="ping")
        self.until(watcher, "pong")
        self.send(writer, type="chat", message="x", session_id="watched", model="openai/watched")
        turn = self.until(writer, "text.delta")[0]["data"]["turn_id"]
        self.server.cancel("watched", turn)
        seen = [self.seen(self.until(s, *TERMINAL)) for s in (watcher, writer)]
        self.assertEqual(seen[0][-len(seen[1]) :], seen[1])
        self.assertEqual(len(seen[0]), len(seen[1]) + 2)  # and what came before the cancel


class TokenTest(LibraryCase):
    config = {"api_token": TOKEN}

    def test_the_token_as_subprotocol_and_as_header(self):
        socket = self.connect(subprotocols=["tertulia", f"tertulia.token.{TOKEN}"])
        self.assertEqual(socket.subprotocol, "tertulia")
        self.send(socket, type="ping")
        self.until(socket, "pong")
        self.connect(additional_headers={"Authorization": f"Bearer {TOKEN}"})
        with self.assertRaises(InvalidStatus) as caught:
            self.connect()
        self.assertEqual(caught.exception.response.status_code, 401)


if __name__ == "__main__":
    unittest.main()
