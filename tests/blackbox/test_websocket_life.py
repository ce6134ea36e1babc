"""/ws: turns that outlive their socket, resumed and cancelled; sessions that a socket subscribed to."""

import unittest

from answers import STALL, Answer
from fake_upstream import Held
from harness import wait_for
from websocket_case import WebSocketCase


class LifeTest(WebSocketCase):
    def test_a_socket_that_breaks_stops_no_turn(self):
        held = Held("one ", "two ", "three")
        self.upstream.script("breaks", held.answer)
        ws = self.socket()
        ws.chat("x", "breaks", model="openai/breaks")
        turn = ws.until("turn.started")["data"]["turn_id"]
        held.next()
        last = ws.until("text.delta")["id"]
        ws.drop()
        held.next()
        again = self.socket()
        again.send(
            {"type": "resume", "session_id": "breaks", "turn_id": turn, "last_event_id": last, "request_id": "r"}
        )
        held.rest()
        again.finish()
        self.assertEqual({m["request_id"] for m in again.messages}, {"r"})
        self.assertEqual(ws.seen() + again.seen(), self.reader("breaks", turn))

    def test_unless_its_policy_says_so(self):
        self.upstream.script("policy", Answer("some", STALL))
        ws = self.socket()
        ws.chat("x", "policy", model="openai/policy", on_disconnect="cancel")
        ws.until("text.delta")
        ws.drop()
        request = self.upstream.asked("policy")[0]
        wait_for(lambda: request.peer_gone, "the call to be closed")
        self.assertEqual([m["state"] for m in self.server.wait_idle("policy")], ["completed", "cancelled"])

    def test_resumed_after_every_event(self):
        self.upstream.script("every", Answer(*(f"{i} " for i in range(10))))
        answer = self.server.chat("x", "every", model="openai/every").json
        whole, ws = self.reader("every", answer["turn_id"]), self.socket()
        for place in range(len(whole) - 1):
            ws.messages.clear()
            fields = {"session_id": "every", "turn_id": answer["turn_id"]}
            ws.send({"type": "resume", "last_event_id": whole[place][0]} | fields)
            ws.finish()
            self.assertEqual(ws.seen(), whole[place + 1 :])
        ws.messages.clear()
        ws.send({"type": "resume", "session_id": "every", "turn_id": answer["turn_id"]})
        ws.finish()
        self.assertEqual(ws.seen(), whole)
        for id_ in ("x", "other:1", answer["turn_id"] + ":x", 7):
            ws.send({"type": "resume", "session_id": "every", "turn_id": answer["turn_id"], "last_event_id": id_})
            self.assert_error_frame(ws.next(), "invalid_request")
        ws.send({"type": "resume", "last_event_id": whole[-1][0]} | fields)  # nothing comes after the last
        self.assert_alive(ws)
        self.assertEqual(ws.seen()[len(whole) :], [])

    def test_cancel(self):
        self.upstream.script("cancelled", Answer("some ", STALL))
        ws = self.socket()
        ws.chat("x", "cancelled", model="openai/cancelled", request_id="chat")
        turn = ws.until("turn.started")["data"]["turn_id"]
        ws.until("text.delta")
        ws.send({"type": "cancel", "session_id": "cancelled", "turn_id": turn, "request_id": "cancel"})
        end = ws.finish()
        self.assertEqual((end["type"], end["data"]["partial"]), ("turn.cancelled", "some "))
        self.assertEqual(self.server.turn("cancelled", turn).json["state"], "cancelled")
        request = self.upstream.asked("cancelled")[0]
        wait_for(lambda: request.peer_gone, "the call to be closed")
        self.assert_alive(ws)

    def test_cancel_from_another_socket(self):
        self.upstream.script("other", Answer("some ", STALL))
        ws, other = self.socket(), self.socket()
        ws.chat("x", "other", model="openai/other")
        turn = ws.until("turn.started")["data"]["turn_id"]
        ws.until("text.delta")
        other.send({"type": "cancel", "session_id": "other", "turn_id": turn})
        self.assertEqual(ws.finish()["type"], "turn.cancelled")
        done = self.server.chat("x", "done").json["turn_id"]
        other.send({"type": "cancel", "session_id": "done", "turn_id": done, "request_id": "late"})
        self.assert_error_frame(other.until("error"), "conflict", "late")


class SubscribeTest(WebSocketCase):
    def test_every_turn_of_a_session_whoever_sent_it(self):
        ws, other = self.socket(), self.socket()
        ws.send({"type": "subscribe", "session_id": "shared", "request_id": "s"})  # before its first message
        self.assert_alive(ws)
        first = self.server.stream("one", "shared")
        first.finish()
        ws.finish()
        other.chat("two", "shared")
        other.finish()
        ws.finish()
        self.assertEqual(ws.seen(), first.seen + other.seen())
        self.assertEqual({m.get("request_id") for m in ws.messages if "id" in m}, {"s"})

    def test_in_mid_turn_from_its_first_event_or_from_the_last_that_was_seen(self):
        held = Held("one ", "two")
        self.upstream.script("mid", held.answer)
        stream = self.server.stream("x", "mid", model="openai/mid")
        held.next()
        last = stream.until("text.delta").id
        fresh, resumed = self.socket(), self.socket()
        fresh.send({"type": "subscribe", "session_id": "mid"})
        resumed.send({"type": "subscribe", "session_id": "mid", "last_event_id": last})
        fresh.until("text.delta")
        held.rest()
        stream.finish(), fresh.finish(), resumed.finish()
        self.assertEqual(fresh.seen(), stream.seen)
        self.assertEqual(resumed.seen(), stream.seen[2:])

    def test_what_this_socket_gets_anyway_is_not_sent_twice(self):
        ws = self.socket()
        ws.send({"type": "subscribe", "session_id": "twice"})
        for i in range(3):
            ws.chat(str(i), "twice", request_id=str(i))
            turn = ws.finish()["data"]["turn_id"]
            self.assertEqual(ws.seen(turn), self.reader("twice", turn))
        stream = self.server.stream("by another", "twice")
        stream.finish()
        ws.finish(stream.seen[0][2]["turn_id"])
        ids = [m["id"] for m in ws.messages if "id" in m]
        self.assertEqual(len(ids), len(set(ids)), "twice")

    def test_subscribed_twice_it_comes_once(self):
        ws = self.socket()
        for _ in range(2):
            ws.send({"type": "subscribe", "session_id": "double"})
        self.assert_alive(ws)
        stream = self.server.stream("x", "double")
        stream.finish()
        ws.finish()
        self.assert_alive(ws)
        self.assertEqual(ws.seen(), stream.seen)

    def test_unsubscribe(self):
        ws = self.socket()
        ws.send({"type": "subscribe", "session_id": "ended"})
        self.server.chat("one", "ended")
        ws.finish()
        ws.send({"type": "unsubscribe", "session_id": "ended"})
        self.assert_alive(ws)
        count = len(ws.seen())
        self.server.chat("two", "ended")
        self.assert_alive(ws)
        self.assertEqual(len(ws.seen()), count)

    def test_after_a_chat_the_session_is_not_subscribed(self):
        ws = self.socket()
        ws.chat("one", "not-subscribed")
        ws.finish()
        count = len(ws.seen())
        self.server.chat("two", "not-subscribed")
        self.assert_alive(ws)
        self.assertEqual(len(ws.seen()), count)

    def test_many_sessions_and_many_sockets(self):
        sockets = [self.socket() for _ in range(10)]
        for ws in sockets:
            for i in range(10):
                ws.send({"type": "subscribe", "session_id": f"many{i}"})
            self.assert_alive(ws)
        turns = [self.server.chat("x", f"many{i}").json["turn_id"] for i in range(10)]
        expected = {turn: self.reader(f"many{i}", turn) for i, turn in enumerate(turns)}
        for ws in sockets:
            for _ in range(10):
                ws.finish()
            for turn in turns:
                self.assertEqual(ws.seen(turn), expected[turn])


if __name__ == "__main__":
    unittest.main()
