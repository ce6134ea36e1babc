"""on_disconnect: what a client that goes away means for its turn; readers that only look never matter."""

import time
import unittest

from answers import STALL, Answer
from client import Connection
from fake_upstream import Gate
from harness import ServerCase, wait_for

PROVIDERS = ("openai", "anthropic")


class DisconnectCase(ServerCase):
    def leave(self, session, model, stream, gate=None, **fields):
        """A client that is known to be served, and closes its socket; when it did."""
        body = {"message": "x", "session_id": session, "model": model, "stream": stream} | fields
        with Connection(self.server.url) as c:
            c.send_request("POST", "/chat", body)
            if stream:
                events = c.events(c.read_head())
                while next(events).name != "text.delta":
                    pass
            else:
                gate.wait_reached()
                turn = wait_for(lambda: self.server.page(session).json.get("running"), "the turn")
                wait_for(lambda: self.server.turn(session, turn).json["message"], "its text")
        return time.monotonic()

    def check(self, session, expected, policy=None):
        """Both kinds of clients and both providers leave; `expected` is what becomes of the turn."""
        fields = {"on_disconnect": policy} if policy else {}
        for stream in (True, False):
            for provider in PROVIDERS:
                with self.subTest(stream=stream, provider=provider):
                    name, gate = f"{session}-{stream}-{provider}", Gate()
                    self.upstream.script(name, Answer("some ", gate, "text"))
                    left = self.leave(name, f"{provider}/{name}", stream, gate, **fields)
                    if expected == "cancelled":
                        request = self.upstream.asked(name)[0]
                        wait_for(lambda: request.peer_gone, "the call to be closed")
                        self.assertLess(request.gone_at - left, 2)
                    else:
                        self.assertIsNotNone(self.server.page(name).json["running"])
                    gate.open()
                    stored = self.server.wait_idle(name)
                    text = "some " if expected == "cancelled" else "some text"
                    self.assertEqual(
                        [(m["content"], m["state"]) for m in stored], [("x", "completed"), (text, expected)]
                    )
                    turn = stored[1]["turn_id"]
                    self.assertEqual(self.server.turn(name, turn).json["state"], expected)
                    reader = self.server.events(name, turn)
                    self.assertEqual((reader.finish().name, reader.text), ("turn." + expected, text))


class DisconnectTest(DisconnectCase):
    def test_by_default_the_turn_goes_on(self):
        self.check("default", "completed")

    def test_finish(self):
        self.check("finish", "completed", "finish")

    def test_cancel(self):
        self.check("cancel", "cancelled", "cancel")

    def test_before_the_first_word(self):
        for stream in (True, False):
            with self.subTest(stream=stream):
                name, gate = f"early-{stream}", Gate()
                self.upstream.script(name, Answer(before=[gate]))
                with Connection(self.server.url) as c:
                    body = {"message": "x", "session_id": name, "model": "openai/" + name, "stream": stream}
                    c.send_request("POST", "/chat", body | {"on_disconnect": "cancel"})
                    gate.wait_reached()
                    wait_for(lambda: self.server.page(name).json.get("running"), "the turn")
                request = self.upstream.asked(name)[0]
                wait_for(lambda: request.peer_gone, "the call to be closed")
                self.assertEqual([m["state"] for m in self.server.wait_idle(name)], ["completed", "cancelled"])
                gate.open()

    def test_only_the_one_who_asked_matters(self):
        """Devices that look on may leave; the turn belongs to the one whose request it was."""
        gate = Gate()
        self.upstream.script("looked-at", Answer("a", gate, "b"))
        stream = self.server.stream("x", "looked-at", model="openai/looked-at", on_disconnect="cancel")
        turn = stream.next().json["turn_id"]
        stream.until("text.delta")
        for other in (self.server.events("looked-at", turn), self.server.feed("looked-at")):
            other.until("text.delta")
            other.close()
        for _ in range(20):
            self.server.get("/healthz")
        self.assertEqual(self.server.turn("looked-at", turn).json["state"], "running")
        gate.open()
        self.assertEqual(stream.finish().name, "turn.completed")

    def test_one_who_stays_to_the_end_cancels_nothing(self):
        for i in range(10):
            answer = self.server.chat("x", f"stays-{i}", on_disconnect="cancel").json
            self.assertEqual(answer["state"], "completed")
            self.assertEqual(self.server.history(f"stays-{i}")[1]["state"], "completed")

    def test_the_connection_is_good_for_another_request(self):
        with Connection(self.server.url) as c:
            for _ in range(3):
                c.send_request("POST", "/chat", {"message": "x", "stream": True, "on_disconnect": "cancel"})
                self.assertEqual(list(c.events(c.read_head()))[-1].name, "turn.completed")
                self.assertEqual(c.request("POST", "/chat", {"message": "x", "on_disconnect": "cancel"}).status, 200)

    def test_a_request_sent_ahead_is_no_disconnect(self):
        """A pipelined one waits its turn while the first streams."""
        gate = Gate()
        self.upstream.script("ahead", Answer("a", gate, "b"))
        with Connection(self.server.url) as c:
            body = {"message": "x", "model": "openai/ahead", "stream": True, "on_disconnect": "cancel"}
            c.send(c.format("POST", "/chat", body) + c.format("GET", "/healthz"))
            events = c.events(c.read_head())
            while next(events).name != "text.delta":
                pass
            gate.open()
            self.assertEqual(list(events)[-1].name, "turn.completed")
            self.assertEqual(c.read_response().status, 200)

    def test_values(self):
        for policy in ("finish", "cancel", None):
            self.assert_answer(self.server.chat("x", on_disconnect=policy))
        for wrong in ("", "FINISH", "stop", 1, False, ["cancel"]):
            with self.subTest(wrong):
                self.assert_error(self.server.chat("x", on_disconnect=wrong), 400, "invalid_request", "on_disconnect")

    def test_the_place_in_a_queue_behind_a_cancelled_turn_is_not_lost(self):
        self.upstream.script("blocking", Answer("a", STALL))
        first = self.server.stream("one", "behind", model="openai/blocking", on_disconnect="cancel")
        first.until("text.delta")
        second = self.server.stream("two", "behind", model="openai/echo")
        self.assertEqual(second.next().name, "turn.queued")
        first.close()
        self.assertEqual(second.finish().name, "turn.completed")
        self.assertEqual([m["state"] for m in self.server.history("behind")][1::2], ["cancelled", "completed"])


class ConfiguredTest(DisconnectCase):
    config = {"on_disconnect": "cancel"}

    def test_the_configuration_sets_the_default(self):
        self.check("configured", "cancelled")

    def test_and_the_request_goes_before(self):
        self.check("asked", "completed", "finish")


if __name__ == "__main__":
    unittest.main()
