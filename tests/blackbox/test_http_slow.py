"""Slow and idle peers: they are closed or held in time, and hurt nobody else."""

import select
import socket
import statistics
import time
import unittest

from answers import Answer
from client import Connection
from harness import ServerCase, raise_open_file_limit

IDLE_CONNECTIONS = 10000
SLOW_LORIS_SECONDS = 75  # an unfinished request is closed within this time


class SlowPeersTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.limit = raise_open_file_limit()
        super().setUpClass()

    def median_latency(self, requests=15):
        times = []
        for _ in range(requests):
            begun = time.monotonic()
            self.assert_answer(self.server.chat("x"), "[1] x")
            times.append(time.monotonic() - begun)
        return statistics.median(times)

    def test_slow_loris_is_closed_and_others_are_not_hurt(self):
        before = self.median_latency()
        loris = [Connection(self.server.url, SLOW_LORIS_SECONDS) for _ in range(200)]
        for i, c in enumerate(loris):
            self.addCleanup(c.close)
            c.send(b"POST /chat HTTP/1.1\r\nhost: localhost\r\n")
            if i % 2:
                c.send(b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        self.assertLess(self.median_latency(), max(5 * before, 1))
        end, open_ones = time.monotonic() + SLOW_LORIS_SECONDS, set(loris)
        while open_ones and time.monotonic() < end:
            poll = select.poll()  # a drip each second does not keep them alive
            by_number = {c.socket.fileno(): c for c in open_ones}
            for number in by_number:
                poll.register(number, select.POLLIN)
            for number, _ in poll.poll(1000):
                c = by_number[number]
                try:
                    c.receive()  # maybe a 408 first
                except Exception:
                    open_ones.discard(c)
            for c in list(open_ones):
                try:
                    c.socket.send(b"x")
                except OSError:
                    open_ones.discard(c)
        self.assertEqual(len(open_ones), 0, f"of {len(loris)} unfinished requests")

    def test_a_client_that_does_not_read_its_stream_hurts_nobody_and_its_turn_is_stored(self):
        deltas = ["x" * 1000] * 4000  # more than the kernel's buffers hold
        self.upstream.script("flood", Answer(*deltas))
        lazy = []
        for i in range(5):
            c = Connection(self.server.url, receive_buffer=4096)
            self.addCleanup(c.close)
            c.send_request(
                "POST", "/chat", {"message": "x", "session_id": f"lazy-{i}", "model": "openai/flood", "stream": True}
            )
            lazy.append(c)
        self.assertLess(self.median_latency(), 3)
        for i in range(5):
            messages = self.server.wait_idle(f"lazy-{i}", 60)
            self.assertEqual((messages[1]["state"], len(messages[1]["content"])), ("completed", 4000000))
        events = list(lazy[0].events(lazy[0].read_head()))  # whoever reads late still gets all of it
        self.assertEqual(sum(len(e.json["text"]) for e in events if e.name == "text.delta"), 4000000)
        self.assertEqual(events[-1].name, "turn.completed")

    def test_ten_thousand_idle_connections_are_held(self):
        wanted = min(IDLE_CONNECTIONS, self.limit - 500)
        if wanted < IDLE_CONNECTIONS:
            print(
                f"the hard limit of open files is {self.limit}: {wanted} idle connections instead of {IDLE_CONNECTIONS}"
            )
        host, _, port = self.server.url.removeprefix("http://").rpartition(":")
        idle = []
        self.addCleanup(lambda: [s.close() for s in idle])
        for _ in range(wanted):
            s = socket.socket()
            s.settimeout(20)
            s.connect((host, int(port)))
            idle.append(s)
        self.assertLess(self.median_latency(), 3)
        chosen = idle[:: max(1, wanted // 50)]
        for s in chosen:  # each of them is really served
            s.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        for s in chosen:
            self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200"))
        poll = select.poll()
        for s in idle:
            poll.register(s, select.POLLIN)
        self.assertEqual(len(poll.poll(0)), 0, "connections that the server closed")


if __name__ == "__main__":
    unittest.main()
