"""The event stream of a turn: order, ids, heartbeats, headers, failures after 200, clients that leave."""

import unittest

from answers import CUT, Answer, Thinking, Usage
from client import Connection
from fake_upstream import Gate
from harness import ServerCase, wait_for

KNOWN = {
    "turn.queued",
    "turn.started",
    "text.delta",
    "thinking.delta",
    "tool_call.delta",
    "usage",
    "turn.completed",
    "turn.failed",
}


class StreamTest(ServerCase):
    def finished(self, *args, **fields):
        stream = self.server.stream(*args, **fields)
        stream.finish()
        return stream

    def assert_well_formed(self, stream):
        events = [e for e in stream.events if e.name != ":"]
        self.assertEqual(events[0].name, "turn.started")
        self.assertLessEqual({e.name for e in events}, KNOWN)
        turn = events[0].json["turn_id"]
        numbers = [int(e.id.removeprefix(turn + ":")) for e in events]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(events))))
        for event in events:
            self.assertIsInstance(event.json, dict)

    def test_the_events_of_a_turn(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                self.upstream.script("events", Answer(Thinking("hm"), "a", "b", usage=Usage(5, 0, 0, 2)))
                stream = self.finished("x", "events-" + provider, model=provider + "/events")
                self.assert_well_formed(stream)
                started = stream.events[0].json
                self.assertEqual(
                    (started["session_id"], started["model"]), ("events-" + provider, provider + "/events")
                )
                self.assertEqual(stream.text, "ab")
                self.assertEqual("".join(e.json["text"] for e in stream.named("thinking.delta")), "hm")
                self.assertEqual(stream.named("usage")[-1].json["output_tokens"], 2)
                completed = stream.events[-1]
                self.assertEqual(completed.name, "turn.completed")
                self.assertEqual(completed.json["message"], "ab")
                self.assertEqual(completed.json["conversation_length"], 2)
                self.assertEqual(completed.json["turn_id"], started["turn_id"])

    def test_the_terminal_event_is_the_json_answer(self):
        self.upstream.script("same", Answer("a", usage=Usage(5, 0, 0, 2)))
        streamed = self.finished("x", model="openai/same").events[-1].json
        whole = self.server.chat("x", model="openai/same").json
        self.assertEqual(set(streamed), set(whole))
        for member in ("message", "conversation_length", "state", "model", "usage", "stop_reason", "context"):
            self.assertEqual(streamed[member], whole[member], member)

    def test_headers(self):
        response = self.finished("x").response
        self.assertEqual(
            (response.status, response.headers["cache-control"], response.headers["x-accel-buffering"]),
            (200, "no-store", "no"),
        )
        self.assertEqual(response.headers["content-type"].partition(";")[0], "text/event-stream")
        self.assertNotIn("content-encoding", response.headers)

    def test_timing_comes_behind_the_stream_where_trailers_are_taken(self):
        self.upstream.script("failing", Answer("par", "tial", CUT))
        body = {"message": "x", "stream": True}
        with Connection(self.server.url) as c:
            for model, outcome in (("openai/any", "ok"), ("openai/failing", "upstream_unavailable")):
                c.send_request("POST", "/chat", body | {"model": model}, {"te": "trailers", "connection": "te"})
                head = c.read_head()
                last = list(c.events(head))[-1]
                self.assertEqual(head.headers["trailer"], "server-timing")
                ((name, value),) = head.trailers
                self.assertEqual(name, "server-timing")
                metrics = [
                    f'attempt-{i};dur={a["ms"]};desc="{a["outcome"]}"' for i, a in enumerate(last.json["attempts"], 1)
                ]
                self.assertEqual(value, ", ".join(metrics))
                self.assertIn(outcome, metrics[-1])
            # The same connection, and a client that takes none.
            c.send_request("POST", "/chat", body)
            head = c.read_head()
            self.assertEqual(list(c.events(head))[-1].name, "turn.completed")
            self.assertNotIn("trailer", head.headers)
            self.assertEqual(head.trailers, [])

    def test_the_accept_header_asks_for_a_stream_too(self):
        for accept, stream in (
            ("text/event-stream", True),
            ("application/json, text/event-stream;q=0.9", None),
            ("*/*", False),
            ("application/json", False),
        ):
            with self.subTest(accept):
                response = self.server.chat("x", headers={"accept": accept})
                self.assertEqual(response.status, 200)
                if stream is not None:
                    self.assertEqual(response.is_stream, stream)

    def test_deltas_come_as_the_model_writes_them(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                gates = [Gate(), Gate(), Gate()]
                self.upstream.script("live", Answer(gates[0], "one ", gates[1], "two ", gates[2], "three"))
                stream = self.server.stream("x", model=provider + "/live")
                stream.until("turn.started")  # though the model has said nothing yet
                for gate, text in zip(gates, ("one ", "two ", "three")):
                    gate.open()
                    self.assertEqual(stream.until("text.delta").json["text"], text)
                self.assertEqual(stream.finish().name, "turn.completed")

    def test_the_user_message_is_stored_before_the_stream_begins(self):
        gate = Gate()
        self.upstream.script("stored", Answer(gate, "x"))
        stream = self.server.stream("durable", "stored-first", model="openai/stored")
        turn = stream.until("turn.started").json["turn_id"]
        page = self.server.page("stored-first").json
        self.assertEqual([(m["role"], m["content"]) for m in page["messages"]][:1], [("user", "durable")])
        self.assertEqual(page["running"], turn)
        gate.open()
        stream.finish()
        self.assertIsNone(self.server.page("stored-first").json["running"])

    def test_the_answer_is_stored_before_its_end_is_announced(self):
        for i in range(20):
            stream = self.server.stream("x", f"end-{i}")
            stream.until("turn.completed")
            self.assertEqual([m["state"] for m in self.server.history(f"end-{i}")], ["completed"] * 2)
            stream.close()

    def test_a_failure_after_200_is_an_event_with_the_error_body(self):
        self.upstream.script("failing", Answer("par", "tial", CUT))
        stream = self.finished("x", "failing-stream", model="openai/failing")
        self.assert_well_formed(stream)
        failed = stream.events[-1]
        self.assertEqual(failed.name, "turn.failed")
        self.assert_error_body(failed.json, "upstream_unavailable")
        self.assertEqual(failed.json["session_id"], "failing-stream")
        self.assertEqual(failed.json["turn_id"], stream.events[0].json["turn_id"])
        self.assertEqual(stream.text, "partial")
        self.assertEqual(
            [(m["content"], m["state"]) for m in self.server.history("failing-stream")][1], ("partial", "failed")
        )

    def test_what_is_wrong_with_the_request_is_answered_without_a_stream(self):
        self.assert_error(self.server.stream("x", colour="red"), 400, "invalid_request", "colour")
        self.assert_error(self.server.stream("", None), 400, "invalid_request")

    def test_the_connection_serves_another_request_after_a_stream(self):
        with Connection(self.server.url) as c:
            for _ in range(3):
                c.send_request("POST", "/chat", {"message": "x", "stream": True})
                events = list(c.events(c.read_head()))
                self.assertEqual(events[-1].name, "turn.completed")
            self.assertEqual(c.request("GET", "/healthz").status, 200)

    def test_a_comment_line_every_ten_seconds_while_the_model_is_silent(self):
        gate = Gate()
        self.upstream.script("silent", Answer("a", gate, "b"))
        self.upstream.script("silent-from-the-start", Answer("a", before=[gate]))
        early = self.server.stream("x", model="anthropic/silent-from-the-start", timeout=14)
        begun = early.until("turn.started").at
        stream = self.server.stream("x", model="openai/silent", timeout=14)
        quiet_since = stream.until("text.delta").at
        comment = stream.until(":")
        self.assertTrue(7 < comment.at - quiet_since < 13, comment.at - quiet_since)
        self.assertTrue(7 < early.until(":").at - begun < 13)
        gate.open()
        self.assertEqual(early.finish().name, "turn.completed")
        self.assertEqual(stream.finish().name, "turn.completed")
        self.assert_well_formed(stream)

    def test_a_client_that_leaves_does_not_stop_its_turn(self):
        for stream in (True, False):
            for provider in ("openai", "anthropic"):
                with self.subTest(stream=stream, provider=provider):
                    session, gate = f"left-{stream}-{provider}", Gate()
                    self.upstream.script("left", Answer("a", gate, "b"))
                    if stream:
                        client = self.server.stream("x", session, model=provider + "/left")
                        client.until("text.delta")
                    else:
                        client = Connection(self.server.url)
                        client.send_request(
                            "POST", "/chat", {"message": "x", "session_id": session, "model": provider + "/left"}
                        )
                        gate.wait_reached()
                    client.close()
                    wait_for(lambda: self.server.page(session).json.get("running"), "the turn to be running")
                    gate.open()
                    stored = self.server.wait_idle(session)
                    self.assertEqual(
                        [(m["content"], m["state"]) for m in stored], [("x", "completed"), ("ab", "completed")]
                    )

    def test_a_client_that_half_closes_still_gets_its_answer(self):
        with Connection(self.server.url) as c:
            c.send_request("POST", "/chat", {"message": "x"})
            c.socket.shutdown(1)
            self.assert_answer(c.read_response(), "[1] x")


if __name__ == "__main__":
    unittest.main()
