"""A turn happens once: requests repeated under one key, in whatever form, racing the original."""

import concurrent.futures
import unittest

from answers import CUT, STALL, Answer
from client import Connection
from fake_upstream import Gate, Held
from once_case import REPLAYED, OnceCase, key


class KeyTest(OnceCase):
    def test_the_finished_turn_is_returned_in_whatever_form_is_asked(self):
        for first_form in ("json", "sse"):
            with self.subTest(first_form):
                name, session = f"finished-{first_form}", f"finished-{first_form}"
                if first_form == "json":
                    response = self.server.chat("x", session, model="openai/once", headers=key(name))
                    first = self.assert_answer(response)
                else:
                    response = self.whole(self.server.stream("x", session, model="openai/once", headers=key(name)))
                    first, response = response.seen[-1][2], response.response
                self.assertNotIn(REPLAYED, response.headers)
                asked = self.asked("once")
                for _ in range(2):
                    self.assert_same(self.server.chat("x", session, model="openai/once", headers=key(name)), first)
                    stream = self.whole(self.server.stream("x", session, model="openai/once", headers=key(name)))
                    self.assertEqual(stream.response.headers.get(REPLAYED), "true")
                    self.assertEqual((stream.seen[0][1], stream.seen[-1][2]), ("turn.started", first))
                    self.assertEqual(stream.text, first["message"])
                    self.assertEqual(stream.seen, self.whole(self.server.events(session, first["turn_id"])).seen)
                self.assertEqual(self.asked("once"), asked)
                self.assertEqual(len(self.server.history(session)), 2)

    def test_retries_that_race_the_original(self):
        """Whoever comes first begins the turn; all others join it: one call, one turn, one pair of messages."""
        for session in ("raced", None):
            with self.subTest(session):
                gate, model = Gate(), f"race-{session}"
                self.upstream.script(model, Answer("a ", gate, "b"))
                body = {
                    "session": session,
                    "model": "openai/" + model,
                    "headers": key(f"race {session}".replace(" ", "-")),
                }

                def send(i):
                    if i % 2:
                        stream = self.server.stream("x", **body)
                        stream.finish()
                        return stream.response.headers, stream.seen[-1][2], stream.text
                    response = self.server.chat("x", **body)
                    return response.headers, response.json, response.json.get("message")

                with concurrent.futures.ThreadPoolExecutor(16) as pool:
                    sent = [pool.submit(send, i) for i in range(16)]
                    gate.wait_reached()
                    late = [pool.submit(send, i) for i in range(4)]
                    gate.open()
                    results = [f.result() for f in sent + late]
                answers = [answer for _, answer, _ in results]
                self.assertEqual(answers, [answers[0]] * 20)
                self.assertEqual({text for _, _, text in results}, {"a b"})
                self.assertEqual([headers.get(REPLAYED) for headers, _, _ in results].count(None), 1)
                self.assertEqual(self.asked(model), 1)
                self.assertEqual(len(self.server.history(answers[0]["session_id"])), 2)

    def test_a_retry_joins_the_running_stream_from_its_beginning(self):
        held = Held("one ", "two ", "three")
        self.upstream.script("joined", held.answer)
        body = {"session": "joined", "model": "openai/joined", "headers": key("joined")}
        first = self.server.stream("x", **body)
        held.next(2)
        first.until("text.delta"), first.until("text.delta")
        first.close()  # the network broke, so the client retries
        second = self.server.stream("x", **body)
        held.rest()
        second.finish()
        self.assertEqual(second.seen[:3], first.seen)
        self.assertEqual(second.seen[-1][2]["message"], "one two three")
        self.assertEqual(self.asked("joined"), 1)

    def test_another_body_is_refused(self):
        self.server.chat("x", "bodies", model="openai/bodies", headers=key("bodies"))
        for message, session, fields in (
            ("y", "bodies", {}),
            ("x", "others", {}),
            ("x", None, {}),
            ("x", "bodies", {"max_tokens": 7}),
            ("x", "bodies", {"system": "s"}),
            ("x", "bodies", {"metadata": {"a": 1}}),
        ):
            with self.subTest(message=message, session=session, **fields):
                fields = {"model": "openai/bodies"} | fields
                response = self.server.chat(message, session, headers=key("bodies"), **fields)
                self.assert_error(response, 422, "invalid_request")
                response = self.server.stream(message, session, headers=key("bodies"), **fields)
                self.assert_error(response, 422, "invalid_request")
        self.assertEqual((self.asked("bodies"), len(self.server.history("bodies"))), (1, 2))
        self.assertEqual(self.server.history("others"), [])

    def test_stream_and_on_disconnect_are_not_compared_nor_is_the_way_it_is_written(self):
        first = self.server.chat("x", "same", model="openai/same", headers=key("same")).json
        for fields in ({"on_disconnect": "cancel"}, {"on_disconnect": "finish", "stream": False}, {"stream": None}):
            response = self.server.chat("x", "same", model="openai/same", headers=key("same"), **fields)
            self.assert_same(response, first)
        raw = b'{ "model":"openai/same",\n "session_id" : "same", "message":"\\u0078" }'
        self.assert_same(self.server.request("POST", "/chat", raw, key("same")), first)

    def test_what_a_key_may_be(self):
        longest = "k" * 255
        first = self.assert_answer(self.server.chat("x", headers=key(longest)))
        self.assert_same(self.server.chat("x", headers=key(longest)), first)
        everything = "".join(map(chr, range(0x21, 0x7F)))
        first = self.assert_answer(self.server.chat("x", headers=key(everything)))
        self.assert_same(self.server.chat("x", headers=key(everything)), first)
        for name in ("", "k" * 256, "k" * 5000, "a b", "a\tb", "schlüssel", "\xa0", "a\x7f"):
            with self.subTest(name[:20]):
                self.assert_error(self.server.chat("x", headers=key(name)), 400, "invalid_request")
        with Connection(self.server.url) as c:  # twice
            request = c.format("POST", "/chat", {"message": "x"}, key("one"))
            c.send(request.replace(b"idempotency-key: one\r\n", b"idempotency-key: one\r\nidempotency-key: two\r\n"))
            self.assertEqual(c.read_response().status, 400)

    def test_keys_differ_by_every_character(self):
        turns = {self.server.chat("x", headers=key(name)).json["turn_id"] for name in ("a", "A", "aa", "a.", "%61")}
        self.assertEqual(len(turns), 5)

    def test_the_session_that_it_made_is_remembered(self):
        first = self.server.chat("x", headers=key("made")).json
        self.assert_same(self.server.chat("x", headers=key("made")), first)
        self.assertEqual(len(self.server.history(first["session_id"])), 2)

    def test_a_request_that_was_refused_takes_no_key(self):
        self.assert_error(self.server.chat("x", headers=key("refused"), colour=1), 400, "invalid_request")
        self.assert_error(self.server.chat("x", headers=key("refused"), model="nosuch/m"), 400, "invalid_request")
        self.assert_answer(self.server.chat("y", headers=key("refused")))

    def test_a_failed_turn_without_text_frees_its_key_and_adds_no_message(self):
        for form in ("json", "sse"):
            with self.subTest(form):
                model = f"frees-{form}"
                self.upstream.script(model, Answer(status=500, body={}), Answer(status=429, body={}), Answer("at last"))
                body = {"session": model, "model": "openai/" + model, "headers": key(model)}
                for _ in range(2):
                    self.assert_error(self.server.chat("x", **body), 503, "upstream_unavailable")
                if form == "json":
                    response = self.server.chat("x", **body)
                    self.assertNotIn(REPLAYED, response.headers)
                    answer = self.assert_answer(response, "at last")
                else:
                    answer = self.whole(self.server.stream("x", **body)).seen[-1][2]
                self.assertEqual((answer["message"], answer["conversation_length"]), ("at last", 2))
                messages = self.server.history(model)
                self.assertEqual(
                    [(m["content"], m["state"]) for m in messages], [("x", "completed"), ("at last", "completed")]
                )
                self.assertEqual(self.upstream.asked(model)[-1].messages, [("user", "x")])
                self.assert_same(self.server.chat("x", **body), answer)
                self.assertEqual(self.asked(model), 3)

    def test_a_failed_turn_is_retried_as_a_new_message_where_the_session_moved_on(self):
        """The stored message lies behind by now: whatever is done, nothing is lost and the order stays."""
        self.upstream.script("moved", Answer(status=500, body={}), Answer("late"))
        body = {"session": "moved", "model": "openai/moved", "headers": key("moved")}
        self.assert_error(self.server.chat("x", **body), 503, "upstream_unavailable")
        self.assert_answer(self.server.chat("between", "moved", model="openai/echo"))
        self.assertIn(self.server.chat("x", **body).status, (200, 409))
        messages = self.server.history("moved")
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
        self.assertEqual([m["content"] for m in messages][:1], ["x"])
        self.assertIn("between", [m["content"] for m in messages])

    def test_a_failed_turn_with_text_is_that_turn_again(self):
        self.upstream.script("partly", Answer("some ", "text", CUT), Answer("never"))
        body = {"session": "partly", "model": "openai/partly", "headers": key("partly")}
        first = self.server.chat("x", **body)
        self.assert_error(first, 503, "upstream_unavailable")
        again = self.server.chat("x", **body)
        self.assert_error(again, 503, "upstream_unavailable")
        self.assertEqual(again.headers.get(REPLAYED), "true")
        stream = self.whole(self.server.stream("x", **body))
        self.assertEqual((stream.text, stream.seen[-1][1]), ("some text", "turn.failed"))
        self.assertEqual(self.asked("partly"), 1)
        self.assertEqual([m["state"] for m in self.server.history("partly")], ["completed", "failed"])

    def test_a_cancelled_turn_is_that_turn_again(self):
        self.upstream.script("stopped", Answer("some ", STALL), Answer("never"))
        body = {"session": "stopped", "model": "openai/stopped", "headers": key("stopped")}
        stream = self.server.stream("x", **body)
        stream.until("text.delta")
        self.server.cancel("stopped", stream.events[0].json["turn_id"])
        stream.finish()
        again = self.assert_error(self.server.chat("x", **body), 409, "conflict")
        self.assertEqual(again["partial"], "some ")
        self.assertEqual(self.asked("stopped"), 1)

    def test_it_stands_before_the_sessions_order(self):
        """A retry is recognised though the session is busy, its queue full, and its head moved since."""
        gate = Gate()
        first = self.assert_answer(self.server.chat("one", "busy", model="openai/quick", headers=key("first")))
        parent = first["timestamp"]
        self.upstream.script("held", Answer("a", gate, "b"))
        body = {"session": "busy", "model": "openai/held", "headers": key("second"), "parent": parent}
        held = self.server.stream("two", **body)
        held.until("text.delta")
        same = self.server.chat("one", "busy", model="openai/quick", headers=key("first"), timeout=5)
        self.assert_same(same, first)
        for policy in ("reject", "interrupt"):
            fields = body | {"on_busy": policy}
            response = self.server.chat("two", timeout=5, **fields)  # another body, yes, but never a conflict
            self.assert_error(response, 422, "invalid_request")
        joined = self.server.stream("two", **body)
        self.assertEqual(joined.next().name, "turn.started")
        gate.open()
        held.finish(), joined.finish()
        self.assertEqual(joined.seen, held.seen)
        self.assertEqual(self.server.chat("two", **body).json, held.seen[-1][2])
        self.assertEqual(len(self.server.history("busy")), 4)

    def test_the_original_of_a_queued_turn_is_joined(self):
        gate = Gate()
        self.upstream.script("held", Answer("a", gate, "b"))
        held = self.server.stream("one", "queue", model="openai/held")
        held.until("text.delta")
        body = {"session": "queue", "model": "openai/queued", "headers": key("queued")}
        first, second = self.server.stream("two", **body), self.server.stream("two", **body)
        queued = [s.next() for s in (first, second)]
        self.assertEqual([e.name for e in queued], ["turn.queued"] * 2)
        self.assertEqual(queued[0].id, queued[1].id)
        gate.open()
        held.finish(), first.finish(), second.finish()
        self.assertEqual(first.seen, second.seen)
        self.assertEqual((self.asked("queued"), len(self.server.history("queue"))), (1, 4))

    def test_a_message_that_was_never_begun_takes_no_key(self):
        """Refused because the session was busy, or given up in its queue: the same request is good later."""
        gate = Gate()
        self.upstream.script("held", Answer("a", gate, "b"))
        held = self.server.stream("one", "never-begun", model="openai/held")
        held.until("text.delta")
        bodies = [
            {"session": "never-begun", "on_busy": "reject", "headers": key("rejected")},
            {"session": "never-begun", "headers": key("given-up")},
        ]
        self.assert_error(self.server.chat("two", **bodies[0]), 409, "conflict")
        waiting = self.server.stream("three", **bodies[1])
        self.server.cancel("never-begun", waiting.next().json["turn_id"])
        self.assertEqual(waiting.finish().name, "turn.cancelled")
        gate.open()
        held.finish()
        self.assert_answer(self.server.chat("two", **bodies[0]))
        last = self.server.chat("three", **bodies[1])
        self.assertIn(last.status, (200, 409))  # a cancelled turn may be that turn again
        self.assertEqual(len(self.server.history("never-begun")), 6 if last.status == 200 else 4)

    def test_a_client_that_left_comes_back_for_its_answer(self):
        gate = Gate()
        self.upstream.script("left", Answer("a", gate, "b"))
        body = {"message": "x", "session_id": "left", "model": "openai/left"}
        with Connection(self.server.url) as c:
            c.send_request("POST", "/chat", body, key("left"))
            gate.wait_reached()
        gate.open()
        answer = self.assert_answer(self.server.request("POST", "/chat", body, key("left")), "ab")
        self.assertEqual((self.asked("left"), answer["conversation_length"]), (1, 2))

    def test_with_respond_async(self):
        gate = Gate()
        self.upstream.script("async", Answer("a", gate, "b"))
        headers = key("async") | {"prefer": "respond-async"}
        first = self.server.chat("x", "async", model="openai/async", headers=headers)
        again = self.server.chat("x", "async", model="openai/async", headers=headers)
        self.assertEqual((first.status, again.status), (202, 202))
        self.assertEqual(first.json["turn_id"], again.json["turn_id"])
        gate.open()
        answer = self.assert_answer(self.server.chat("x", "async", model="openai/async", headers=key("async")), "ab")
        self.assertEqual(answer["turn_id"], first.json["turn_id"])
        self.assertEqual(self.asked("async"), 1)

    def test_a_deleted_session_does_not_come_back_by_a_retry(self):
        body = {"session": "deleted", "model": "openai/deleted", "headers": key("deleted")}
        first = self.server.chat("x", **body).json
        self.assertEqual(self.server.request("DELETE", "/sessions/deleted").status, 204)
        again = self.server.chat("x", **body)
        self.assertLess(again.status, 500, again.body)
        if again.status == 200 and again.json["turn_id"] != first["turn_id"]:
            self.assertEqual(len(self.server.history("deleted")), 2)


if __name__ == "__main__":
    unittest.main()
