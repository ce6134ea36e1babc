"""/ws as RFC 6455 has it: frames of every kind, wrong ones, close codes, limits, idle time-out."""

import random
import re
import struct
import time
import unittest

from answers import Answer
from client import Connection
from fake_upstream import Held
from harness import wait_for
from websocket_case import WebSocketCase
from ws import BINARY, CLOSE, CONTINUATION, NO_CODE, PING, PONG, TEXT, WebSocket

PING_TEXT = b'{"type":"ping"}'
MEGABYTE = 1 << 20


class FramesTest(WebSocketCase):
    env = {"ASAN_OPTIONS": "quarantine_size_mb=8"}

    def test_a_message_in_many_ways(self):
        data = '{"type":"chat","message":"grüße 日本語 😀","session_id":"ways"}'.encode()
        inside = data.index("ü".encode()) + 1
        for name, frames in (
            ("whole", [(TEXT, data, True)]),
            ("cut inside a character", [(TEXT, data[:inside], False), (CONTINUATION, data[inside:], True)]),
            (
                "each byte a frame",
                [
                    (TEXT, data[:1], False),
                    *[(CONTINUATION, bytes([b]), False) for b in data[1:]],
                    (CONTINUATION, b"", True),
                ],
            ),
            ("empty fragments", [(TEXT, b"", False), (CONTINUATION, b"", False), (CONTINUATION, data, True)]),
            (
                "pings between",
                [(TEXT, data[:9], False), (PING, b"p", True), (PONG, b"", True), (CONTINUATION, data[9:], True)],
            ),
        ):
            with self.subTest(name):
                ws = self.socket()
                ws.connection.send(b"".join(WebSocket.encode(op, part, final=final) for op, part, final in frames))
                self.assertIn("grüße 日本語 😀", ws.until("turn.completed")["data"]["message"])

    def test_the_wire_cut_anywhere(self):
        ws = self.socket()
        for byte in WebSocket.encode(TEXT, PING_TEXT) + WebSocket.encode(TEXT, PING_TEXT):
            ws.connection.send(bytes([byte]))
        self.assertEqual([ws.next(), ws.next()], [{"type": "pong"}] * 2)

    def test_pings_of_the_protocol_are_answered_with_their_bytes(self):
        ws = self.socket()
        for data in (b"", b"hello", b"\xff" * 125):
            ws.frame(PING, data)
            self.assertEqual(ws.read_frame(), (PONG, data))
        ws.frame(PONG, b"nobody asked")
        self.assert_alive(ws)

    def test_large_messages_both_ways(self):
        text = "x" * 200_000
        ws = self.socket()
        ws.chat(text, "large")
        self.assertEqual(ws.until("turn.completed")["data"]["message"], "[1] " + text)

    def test_many_messages_in_one_packet(self):
        ws = self.socket()
        ws.connection.send(WebSocket.encode(TEXT, PING_TEXT) * 500)
        self.assertEqual([ws.next() for _ in range(500)], [{"type": "pong"}] * 500)

    def test_wrong_frames_close_with_their_code(self):
        bad_utf8 = b'{"type":"\xff"}'
        for name, data, code in (
            ("no mask", WebSocket.encode(TEXT, PING_TEXT, masked=False), 1002),
            ("reserved bit 1", WebSocket.encode(TEXT, PING_TEXT, reserved=4), 1002),
            ("reserved bit 3", WebSocket.encode(TEXT, PING_TEXT, reserved=1), 1002),
            *((f"opcode {op}", WebSocket.encode(op, b""), 1002) for op in (3, 7, 11, 15)),
            ("a cut ping", WebSocket.encode(PING, b"", final=False), 1002),
            ("a long ping", WebSocket.encode(PING, b"x" * 126), 1002),
            ("a long close", WebSocket.encode(CLOSE, struct.pack(">H", 1000) + b"x" * 124), 1002),
            ("a continuation of nothing", WebSocket.encode(CONTINUATION, b"x"), 1002),
            ("text in a text", WebSocket.encode(TEXT, b"x", final=False) + WebSocket.encode(TEXT, b"x"), 1002),
            ("a close of one byte", WebSocket.encode(CLOSE, b"\x03"), 1002),
            *(
                (f"close with {n}", WebSocket.encode(CLOSE, struct.pack(">H", n)), 1002)
                for n in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
            ),
            ("a close whose reason is no UTF-8", WebSocket.encode(CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
            ("text that is no UTF-8", WebSocket.encode(TEXT, bad_utf8), 1007),
            ("text with half a surrogate", WebSocket.encode(TEXT, b'"\xed\xa0\x80"'), 1007),
            ("text that ends in a character", WebSocket.encode(TEXT, b'"\xe2\x82'), 1007),
            (
                "no UTF-8 in a fragment",
                WebSocket.encode(TEXT, b"\xe2", final=False) + WebSocket.encode(CONTINUATION, b"("),
                1007,
            ),
            ("binary", WebSocket.encode(BINARY, PING_TEXT), 1003),
            ("too big", WebSocket.encode(TEXT, b"x" * (MEGABYTE + 1)), 1009),
            ("too big, as it says", WebSocket.encode(TEXT, b"x", size=1 << 40), 1009),
            (
                "too big in pieces",
                WebSocket.encode(TEXT, b"x" * 600_000, final=False) + WebSocket.encode(CONTINUATION, b"x" * 600_000),
                1009,
            ),
        ):
            with self.subTest(name):
                ws = self.socket(timeout=10)
                try:
                    ws.connection.send(data)
                except OSError:
                    pass  # closed before it was all sent
                got = ws.closed()
                if not (got is None and "too big" in name):  # a reset may overtake the close frame
                    self.assertEqual(got, code)
                self.assertTrue(ws.connection.closed_by_server())
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_length_with_its_highest_bit_set(self):
        ws = self.socket()
        ws.connection.send(bytes([0x81, 0xFF]) + b"\xff" * 8 + b"mask")
        self.assertIn(ws.closed(), (1002, 1009))

    def test_closing(self):
        for data, code in (
            (struct.pack(">H", 1000), 1000),
            (struct.pack(">H", 1001) + "bis später".encode(), 1001),
            (struct.pack(">H", 3000), 3000),
            (struct.pack(">H", 4999), 4999),
            (b"", NO_CODE),
        ):
            with self.subTest(data):
                ws = self.socket()
                ws.frame(CLOSE, data)
                self.assertIn(ws.closed(), (code, 1000))
                self.assertTrue(ws.connection.closed_by_server())
        ws = self.socket()
        ws.frame(CLOSE, struct.pack(">H", 1000))
        ws.frame(TEXT, PING_TEXT)  # nothing is heard after a close
        self.assertEqual(ws.closed(), 1000)
        self.assertEqual(ws.messages, [])

    def test_rubbish(self):
        chance = random.Random(4)
        for _ in range(60):
            ws = self.socket(timeout=10)
            data = b"".join(
                chance.choice(
                    (
                        chance.randbytes(chance.randrange(1, 40)),
                        WebSocket.encode(
                            chance.randrange(16), chance.randbytes(chance.randrange(300)), final=chance.random() < 0.7
                        ),
                        WebSocket.encode(TEXT, PING_TEXT),
                    )
                )
                for _ in range(chance.randrange(1, 20))
            )
            try:
                ws.connection.send(data)
                ws.connection.socket.shutdown(1)
            except OSError:
                pass
            self.assertTrue(ws.connection.closed_by_server())
            ws.drop()
        self.assert_alive(self.socket())

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def test_one_who_sends_and_never_reads(self):
        """Its answers are not kept without bound: it is slowed down or closed."""
        self.upstream.script("big", Answer(*["x" * 50_000] * 20))
        before = self.memory()
        ws = self.socket(receive_buffer=4096, timeout=2)
        try:
            for i in range(100):
                ws.chat("x", f"flood{i % 25}", model="openai/big")
            for _ in range(20_000):
                ws.send(PING_TEXT)
        except OSError:
            pass  # not taken any more: that is right
        self.assertLess(self.memory() - before, 200 * MEGABYTE)
        ws.drop()
        wait_for(lambda: self.server.get("/healthz").status == 200)
        self.assert_alive(self.socket())


class IdleTest(WebSocketCase):
    config = {"limits": {"heartbeat_ms": 100, "websocket_idle_ms": 1200}}

    def test_pings_come_and_who_answers_stays(self):
        ws, begun = self.socket(), time.monotonic()
        ws.send({"type": "subscribe", "session_id": "quiet"})
        ws.connection.socket.settimeout(0.05)
        while time.monotonic() - begun < 2.6:  # more than twice the idle time
            try:
                self.assertIsNotNone(ws.next(), ws.close_code)
            except TimeoutError:
                pass
        ws.connection.socket.settimeout(10)
        self.assertGreater(len(ws.pings), 8)
        self.assert_alive(ws)

    def test_who_is_silent_is_closed(self):
        ws, begun = self.socket(), time.monotonic()
        ws.answer_pings = False
        self.assertEqual(ws.closed(), 1008)
        self.assertTrue(1.0 <= time.monotonic() - begun < 6, time.monotonic() - begun)
        self.assertTrue(ws.connection.closed_by_server())

    def test_who_is_silent_loses_its_socket_not_its_turn(self):
        self.upstream.script("goes-on", Answer("a"))
        ws = self.socket()
        ws.answer_pings = False
        ws.chat("x", "goes-on", model="openai/goes-on")
        self.assertEqual(ws.closed(), 1008)
        self.assertEqual(self.server.wait_idle("goes-on")[1]["state"], "completed")


class StopTest(WebSocketCase):
    server_per_test = True

    def is_closed(self):
        try:
            Connection(self.server.url).close()
        except OSError:
            return True
        return False

    def test_a_stopping_server_tells_what_is_being_told_first(self):
        self.server, held = self.start(), Held("one ", "two")
        self.upstream.script("last", held.answer)
        own, other = self.socket(), self.socket()
        other.send({"type": "subscribe", "session_id": "last"})
        self.assert_alive(other)
        own.chat("x", "last", model="openai/last", on_disconnect="cancel")
        held.next()
        for ws in (own, other):
            ws.until("text.delta")
        self.server.terminate()
        wait_for(self.is_closed, "the server to take no more connections")
        own.chat("y", "late")
        self.assert_error_frame(own.until("error"), "unavailable")
        held.rest()
        for ws in (own, other):
            ws.until("turn.completed")
            self.assertEqual(ws.closed(), 1001)
        self.assertEqual(self.server.wait(20), 0, self.server.log_text)

    def test_a_stopping_server_says_so(self):
        self.server = self.start(config={"shutdown": {"grace_ms": 1000}})
        ws = self.socket()
        self.assert_alive(ws)
        self.server.terminate()
        self.assertEqual(ws.closed(), 1001)
        self.assertEqual(self.server.wait(20), 0, self.server.log_text)


if __name__ == "__main__":
    unittest.main()
