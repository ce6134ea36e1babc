"""/ws: chats over one socket, and what is wrong with a frame."""

import unittest

from answers import CUT, Answer, Pause, Thinking
from fake_upstream import Gate, Held
from websocket_case import WebSocketCase


class ChatTest(WebSocketCase):
    def test_a_turn_is_the_same_events_as_for_sse(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                self.upstream.script("same", Answer(Thinking("hm"), "日本 ", "語", Pause(0.001), "."))
                ws = self.socket()
                ws.chat("x", "same-" + provider, model=provider + "/same", request_id="mine")
                end = ws.finish()
                self.assertEqual((end["type"], end["data"]["message"]), ("turn.completed", "日本 語."))
                for message in ws.messages:
                    self.assertEqual(set(message), {"type", "id", "session_id", "data", "request_id"}, message)
                    self.assertEqual((message["session_id"], message["request_id"]), ("same-" + provider, "mine"))
                self.assertEqual(ws.messages[0]["type"], "turn.started")
                self.assertEqual(ws.seen(), self.reader("same-" + provider, end["data"]["turn_id"]))

    def test_without_a_request_id_there_is_none(self):
        ws = self.socket()
        ws.chat("x")
        ws.finish()
        self.assertEqual([m for m in ws.messages if "request_id" in m], [])

    def test_events_come_as_the_model_writes(self):
        held = Held("one ", "two")
        self.upstream.script("live", held.answer)
        ws = self.socket()
        ws.chat("x", "live", model="openai/live")
        ws.until("turn.started")
        for text in ("one ", "two"):
            held.next()
            self.assertEqual(ws.until("text.delta")["data"]["text"], text)
        held.rest()
        ws.finish()

    def test_several_sessions_over_one_socket(self):
        helds = [Held(f"{i} ", "more") for i in range(8)]
        ws = self.socket()
        for i, held in enumerate(helds):
            self.upstream.script(f"several{i}", held.answer)
            ws.chat("x", f"several{i}", model=f"openai/several{i}", request_id=f"r{i}")
        for _ in helds:
            ws.until("turn.started")
        for i in reversed(range(8)):
            helds[i].next()
            delta = ws.until("text.delta")
            self.assertEqual((delta["session_id"], delta["data"]["text"]), (f"several{i}", f"{i} "))
            self.assertEqual(delta["request_id"], f"r{i}")
        for held in helds:
            held.rest()
        for _ in helds:
            ws.finish()
        for i in range(8):
            turn = next(m["data"]["turn_id"] for m in ws.messages if m.get("request_id") == f"r{i}")
            self.assertEqual(ws.seen(turn), self.reader(f"several{i}", turn))

    def test_several_turns_of_one_session_keep_their_order(self):
        ws = self.socket()
        for i in range(5):
            ws.chat(str(i), "order", model="openai/order", request_id=str(i))
        ends = [ws.finish() for _ in range(5)]
        self.assertEqual([e["request_id"] for e in ends], [str(i) for i in range(5)])
        self.assertEqual([m["content"] for m in self.server.history("order")][::2], [str(i) for i in range(5)])
        queued = [m for m in ws.messages if m["type"] == "turn.queued"]
        self.assertEqual(len({m["request_id"] for m in queued}), len(queued))

    def test_the_other_fields_of_a_chat(self):
        ws = self.socket()
        ws.chat(
            "x", "fields", model="openai/fields", system="Be brief.", max_tokens=9, temperature=0.5, metadata={"a": 1}
        )
        parent = ws.finish()["data"]["timestamp"]
        asked = self.upstream.asked("fields")[-1]
        self.assertEqual((asked.system, asked.body["temperature"]), ("Be brief.", 0.5))
        ws.chat("y", "fields", parent=parent)
        ws.finish()
        ws.chat("z", "fields", parent=parent, request_id="stale")
        error = self.assert_error_frame(ws.until("error"), "conflict", "stale")
        self.assertEqual([m["content"] for m in error["missed"]][:1], ["y"])
        self.assertEqual(len(self.server.history("fields")), 4)

    def test_busy(self):
        gate = Gate()
        self.upstream.script("busy", Answer("a", gate, "b"))
        ws = self.socket()
        ws.chat("one", "busy", model="openai/busy")
        ws.until("text.delta")
        ws.chat("two", "busy", on_busy="reject", request_id="rejected")
        self.assert_error_frame(ws.until("error"), "conflict", "rejected")
        ws.chat("three", "busy", model="openai/echo", request_id="queued")
        self.assertEqual(ws.until("turn.queued")["request_id"], "queued")
        ws.chat("four", "busy", model="openai/echo", on_busy="interrupt", request_id="interrupts")
        self.assertEqual(ws.finish()["type"], "turn.cancelled")
        self.assertEqual({ws.finish()["request_id"], ws.finish()["request_id"]}, {"queued", "interrupts"})
        gate.open()

    def test_a_failed_turn(self):
        self.upstream.script("cut", Answer("some", CUT))
        ws = self.socket()
        ws.chat("x", model="openai/cut", request_id="r")
        end = ws.finish()
        self.assertEqual((end["type"], end["data"]["code"]), ("turn.failed", "upstream_unavailable"))
        self.assert_alive(ws)

    def test_what_is_wrong_with_a_frame_is_an_error_frame_and_no_end(self):
        ws = self.socket()
        for number, fields in enumerate(
            (
                {"type": "chat"},
                {"type": "chat", "message": ""},
                {"type": "chat", "message": 7},
                {"type": "chat", "message": "x", "colour": "red"},
                {"type": "chat", "message": "x", "session_id": "a b"},
                {"type": "chat", "message": "x", "model": "nosuch/m"},
                {"type": "nonsense"},
                {"type": 7},
                {},
                {"type": "subscribe"},
                {"type": "subscribe", "session_id": "../etc"},
                {"type": "resume", "session_id": "a"},
                {"type": "cancel", "session_id": "a", "turn_id": 7},
            )
        ):
            with self.subTest(**fields):
                ws.send(fields | {"request_id": f"r{number}"})
                self.assert_error_frame(ws.next(), "invalid_request", f"r{number}")
        for text in (
            "",
            "x",
            "[]",
            "7",
            "null",
            '"chat"',
            '{"type":"ping"',
            '{"type":"ping"}{}',
            "[" * 100000,
            '{"type":"ping","type":"chat"}',
        ):
            with self.subTest(text[:30]):
                ws.send(text)
                self.assert_error_frame(ws.next(), "invalid_request")
        for wrong in ("x" * 65, 7, ["a"], ""):
            with self.subTest(request_id=wrong):
                ws.send({"type": "chat", "message": "x", "request_id": wrong})
                frame = ws.next()
                if wrong == "" and frame["type"] != "error":
                    ws.finish()
                    continue
                self.assert_error_frame(frame, "invalid_request")
        self.assert_alive(ws)
        ws.chat("still here", request_id="x" * 64)
        self.assertEqual(ws.finish()["type"], "turn.completed")

    def test_unknown_things_are_not_found(self):
        self.server.chat("x", "here")
        ws = self.socket()
        for fields in (
            {"type": "resume", "session_id": "here", "turn_id": "nothing", "last_event_id": "nothing:1"},
            {"type": "resume", "session_id": "nowhere", "turn_id": "nothing"},
            {"type": "cancel", "session_id": "here", "turn_id": "nothing"},
        ):
            ws.send(fields | {"request_id": "r"})
            self.assert_error_frame(ws.next(), "not_found", "r")
        self.assert_alive(ws)


if __name__ == "__main__":
    unittest.main()
