"""Providers that speak odd, hostile or endless HTTP: right answers are read, the rest fails in bounded time and memory."""

import random
import re
import socket
import threading
import time
import unittest
import zlib

from dialects import event
from harness import ServerCase

MEGABYTE = 1 << 20
DELTA = event({"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": None}]})
END = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + event("[DONE]")
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = SSE + b"transfer-encoding: chunked\r\n"
WHOLE = DELTA + END
NOISE = b": %s\n\n" % random.Random(1).randbytes(4000).hex().encode()  # a comment that does not pack well


def chunk(data, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


RIGHT = {
    "chunk extensions and trailers": CHUNKED
    + b"\r\n"
    + chunk(DELTA, b";x=1;y")
    + chunk(END)
    + b"0;last\r\nx-trailer: 1\r\n\r\n",
    "sizes with leading zeros and capitals": CHUNKED + b"\r\n000%X\r\n%s\r\n0\r\n\r\n" % (len(WHOLE), WHOLE),
    "HTTP/1.0, ended by closing": SSE.replace(b"1.1", b"1.0") + b"\r\n" + WHOLE,
    "a stream with a length": SSE + b"content-length: %d\r\n\r\n%s" % (len(WHOLE), WHOLE),
    "informational answers first": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    + CHUNKED
    + b"\r\n"
    + chunk(WHOLE)
    + b"0\r\n\r\n",
    "a byte order mark": SSE + b"connection: close\r\n\r\n\xef\xbb\xbf" + WHOLE,
    "no reason phrase": b"HTTP/1.1 200 \r\n" + SSE.split(b"\r\n", 1)[1] + b"\r\n" + WHOLE,
}
WRONG = {
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a status that is none": b"HTTP/1.1 99999 What\r\n\r\n",
    "two different lengths": SSE + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + WHOLE,
    "a length that is none": SSE + b"content-length: many\r\n\r\n" + WHOLE,
    "a chunk size that is none": CHUNKED + b"\r\nzz\r\n" + WHOLE,
    "a chunk size that overflows": CHUNKED + b"\r\nffffffffffffffffff\r\n" + WHOLE,
    "an unknown coding of the transfer": SSE + b"transfer-encoding: zip\r\n\r\n" + WHOLE,
    "an unknown coding of the content": SSE + b"content-encoding: br\r\n\r\n" + bytes(range(256)),
    "gzip that is none": SSE + b"content-encoding: gzip\r\n\r\n" + bytes(range(256)),
    "gzip that is cut": SSE + b"content-encoding: gzip\r\n\r\n" + zlib.compress(DELTA + NOISE + END, wbits=31)[:2000],
    "only half of a head": b"HTTP/1.1 200 OK\r\ncontent-type: te",
    "invalid UTF-8": SSE + b"\r\n" + DELTA.replace(b"fine", b"\xff\xfe") + END,
}


class OneAnswer:
    """Listens on loopback and answers every request with the same bytes, then closes. `filler` is sent after them
    again and again until the peer has had enough."""

    def __init__(self, data, filler=b""):
        self.data, self.filler, self.sent = data, filler, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            with peer:
                try:
                    peer.settimeout(10)
                    self.read_request(peer)
                    peer.sendall(self.data)
                    while self.filler and self.sent < 200 * MEGABYTE:
                        peer.sendall(self.filler)
                        self.sent += len(self.filler)
                except OSError:
                    pass  # it had enough

    def read_request(self, peer):
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65536)
        size = int(re.search(rb"content-length: *(\d+)", data, re.IGNORECASE)[1])
        while len(data.partition(b"\r\n\r\n")[2]) < size:
            data += peer.recv(65536)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class OddUpstreamsTest(ServerCase):
    config = {"deadlines": {"first_token_ms": 8000, "between_tokens_ms": 8000}}
    store = "memory"

    @classmethod
    def start(cls, *arguments, **options):
        cls.peers = {}
        for name, data in {**RIGHT, **WRONG}.items():
            cls.peers[name] = OneAnswer(data)
        endless = {
            "an endless line": (SSE + b"\r\ndata: ", b"x" * 65536),
            "an endless head": (b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 8000 + b"\r\n"),
            "an endless answer": (SSE + b"\r\n", DELTA.replace(b"fine", b"x" * 60000)),
            "an endless JSON answer": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{", b'"a":1,' * 9000),
            "an endless error": (b"HTTP/1.1 500 X\r\ncontent-type: text/html\r\n\r\n", b"<p>" * 20000),
            "endless informational answers": (b"", b"HTTP/1.1 103 X\r\n\r\n" * 1000),
        }
        cls.endless = {name: OneAnswer(*parts) for name, parts in endless.items()}
        bomb = zlib.compress(b"data: " + b"x" * (300 * MEGABYTE), wbits=31)
        cls.endless["a gzip bomb"] = OneAnswer(SSE + b"content-encoding: gzip\r\n\r\n" + bomb)
        everyone = {**cls.peers, **cls.endless}
        cls.names = {name: f"odd{i}" for i, name in enumerate(everyone)}
        for peer in everyone.values():
            cls.addClassCleanup(peer.close)
        providers = [
            {"name": cls.names[name], "kind": "openai-chat", "base_url": peer.url} for name, peer in everyone.items()
        ]
        cls.config = cls.config | {"providers": providers}
        return super().start(*arguments, **options)

    def ask(self, name):
        return self.server.chat("x", model=self.names[name] + "/m")

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def test_right_answers_are_read(self):
        for name in RIGHT:
            with self.subTest(name):
                self.assert_answer(self.ask(name), "fine")

    def test_wrong_ones_are_typed_failures(self):
        for name in WRONG:
            with self.subTest(name):
                response = self.ask(name)
                self.assertIn(response.status, (502, 503), response.body)
                self.assertIn(response.json["code"], ("upstream_unavailable", "upstream_rejected"))
                self.assertEqual(self.server.history(response.json["session_id"])[1]["state"], "failed")

    def test_endless_ones_are_cut_off(self):
        for name, peer in self.endless.items():
            with self.subTest(name):
                begun, before = time.monotonic(), self.memory()
                response = self.ask(name)
                self.assertIn(response.status, (502, 503, 504), response.body[:300])
                self.assertLess(time.monotonic() - begun, 12)
                self.assertLess(peer.sent, 150 * MEGABYTE)
                self.assertLess(self.memory() - before, 150 * MEGABYTE)
        self.assertEqual(self.server.get("/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
