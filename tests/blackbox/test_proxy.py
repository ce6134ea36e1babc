"""Behind a real nginx with its default settings: events pass at once, silence survives its time-out, sockets work."""

import time
import unittest

import nginx
from answers import Answer
from client import open_events, open_stream, request
from fake_upstream import Gate, Held
from harness import ServerCase, turn_path
from needs import needs
from ws import WebSocket

READ_SECONDS = 1.5  # nginx's own is 60: ./dev soak tries that


@needs(nginx.PROGRAM, "no nginx (./dev deps test installs it)")
class ProxyTest(ServerCase):
    config = {"limits": {"heartbeat_ms": 300}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = nginx.Nginx(
            cls.folder / "nginx", cls.server.url, f"proxy_read_timeout {int(READ_SECONDS * 1000)}ms;"
        )
        cls.addClassCleanup(cls.proxy.stop)

    def test_events_are_not_buffered(self):
        held = Held("one ", "two ", "three")
        self.upstream.script("unbuffered", held.answer)
        stream = open_stream(self.proxy.url, {"message": "x", "session_id": "u", "model": "openai/unbuffered"})
        turn = stream.next().json["turn_id"]
        other = open_events(self.proxy.url, turn_path("u", turn) + "/events")
        feed = open_events(self.proxy.url, "/sessions/u/events")
        for text in ("one ", "two ", "three"):
            held.next()  # the next is not sent before this one was seen
            for reader in (stream, other, feed):
                self.assertEqual(reader.until("text.delta").json["text"], text)
        stream.finish(), other.finish(), feed.until("turn.completed")
        self.assertEqual(other.seen, stream.seen)
        self.assertEqual(feed.seen, stream.seen)

    def test_a_silent_model_outlives_the_proxys_time_out(self):
        for place in ("before the head", "in the middle"):
            with self.subTest(place):
                gate = Gate()
                answer = Answer("a", "b", before=[gate]) if place == "before the head" else Answer("a", gate, "b")
                self.upstream.script("silent", answer)
                stream, begun = (
                    open_stream(self.proxy.url, {"message": "x", "model": "openai/silent"}),
                    time.monotonic(),
                )
                while time.monotonic() < begun + 2 * READ_SECONDS:
                    stream.until(":")
                gate.open()
                self.assertEqual(stream.finish().json["message"], "ab")

    def test_a_queued_turn_outlives_it_too(self):
        gate = Gate()
        self.upstream.script("held", Answer("a", gate, "b"))
        first = self.server.stream("one", "queued", model="openai/held")
        first.until("text.delta")
        stream = open_stream(self.proxy.url, {"message": "two", "session_id": "queued", "model": "openai/echo"})
        begun = stream.until("turn.queued").at
        while stream.until(":").at < begun + 2 * READ_SECONDS:
            pass
        gate.open()
        self.assertEqual(stream.finish().name, "turn.completed")

    def test_a_reader_is_cut_at_the_proxy_and_resumes(self):
        held = Held(*(f"{i} " for i in range(20)))
        self.upstream.script("cut", held.answer)
        stream = open_stream(self.proxy.url, {"message": "x", "session_id": "c", "model": "openai/cut"})
        turn = stream.next().json["turn_id"]
        held.next(5)
        for _ in range(5):
            last = stream.until("text.delta")
        stream.close()
        held.rest()
        reader = open_events(self.proxy.url, turn_path("c", turn) + "/events", headers={"last-event-id": last.id})
        reader.finish()
        self.assertEqual(stream.text + reader.text, "".join(f"{i} " for i in range(20)))

    def test_one_who_waits_for_json_is_cut_and_comes_again_with_his_key(self):
        """Nothing can be sent before the answer, so the proxy gives up; the turn does not, and is found again."""
        gate = Gate()
        self.upstream.script("long", Answer("a", gate, "b"))
        body, key = (
            {"message": "x", "session_id": "j", "model": "openai/long"},
            {"idempotency-key": "json-behind-nginx"},
        )
        self.assertEqual(request(self.proxy.url, "POST", "/chat", body, key).status, 504)
        gate.open()
        answer = request(self.proxy.url, "POST", "/chat", body, key)
        self.assertEqual((answer.status, answer.json["message"]), (200, "ab"))
        self.assertEqual(len(self.upstream.asked("long")), 1)

    def test_a_client_that_leaves_is_noticed_behind_it(self):
        gate = Gate()
        self.upstream.script("left", Answer("a", gate, "b"))
        body = {"message": "x", "session_id": "l", "model": "openai/left", "on_disconnect": "cancel"}
        stream = open_stream(self.proxy.url, body)
        stream.until("text.delta")
        stream.close()
        self.assertEqual([m["state"] for m in self.server.wait_idle("l")], ["completed", "cancelled"])
        gate.open()

    def test_a_websocket(self):
        held = Held("one ", "two")
        self.upstream.script("socket", held.answer)
        with WebSocket(
            self.proxy.url, {"origin": self.proxy.url}
        ) as ws:  # the page's own origin, as the browser sees it
            ws.chat("x", "w", model="openai/socket")
            begun = time.monotonic()
            ws.until("turn.started")
            held.next()
            self.assertEqual(ws.until("text.delta")["data"]["text"], "one ")
            while time.monotonic() < begun + 2 * READ_SECONDS:
                ws.connection.socket.settimeout(READ_SECONDS)
                opcode, data = ws.read_frame()
                self.assertEqual(opcode, 9, "a ping keeps it alive")
                ws.frame(10, data)
            held.rest()
            self.assertEqual(ws.finish()["data"]["message"], "one two")


if __name__ == "__main__":
    unittest.main()
