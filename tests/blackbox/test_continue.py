"""POST .../continue: a new turn makes the same stored message whole."""

import concurrent.futures
import unittest

from answers import CUT, STALL, Answer, Usage
from crash_case import PIECES, SOON, CrashCase, wait_saved
from fake_upstream import Held
from harness import wait_for


class ContinueTest(CrashCase):
    def go_on(self, stored, items=(" and ", "so on."), stream=True, **fields):
        self.upstream.script("told", Answer(*items, usage=Usage(11, 0, 0, 5)))
        answer = self.server.go_on(self.session, self.turn_id, stream=stream, **fields)
        if not stream:
            return self.assert_answer(answer, stored + "".join(items))
        self.assertTrue(hasattr(answer, "finish"), getattr(answer, "body", None))
        answer.finish()
        return answer

    def test_its_stream(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                stored = self.cut_off(SOON, shown=5, provider=provider)
                before = self.server.history(self.session)
                stream = self.go_on(stored)
                names = [name for _, name, _ in stream.seen]
                self.assertEqual(names[:2] + names[-1:], ["turn.started", "text.replaced", "turn.completed"])
                self.assertEqual(set(names[2:-1]), {"text.delta", "usage"})
                started, replaced, completed = stream.seen[0][2], stream.seen[1][2], stream.seen[-1][2]
                self.assertEqual(started["continues"], self.turn_id)
                self.assertNotEqual(started["turn_id"], self.turn_id)
                self.assertEqual(replaced, {"text": stored})
                # A prefill goes without the white space at its end, and what the model repeats of it comes once.
                self.assertEqual(stream.text, (stored.rstrip() if provider == "anthropic" else stored) + " and so on.")
                self.assertEqual((completed["message"], completed["conversation_length"]), (stream.text, 2))
                self.check_stored(before, stream.text)
                self.check_replay(started["turn_id"], stream.seen)
                self.assertEqual(self.server.stop(), 0)

    def check_stored(self, before, text):
        """The same two messages, the second whole now."""
        after = self.server.history(self.session)
        self.assertEqual(after[0], before[0])
        self.assertEqual(len(after), len(before))
        self.assertEqual((after[1]["content"], after[1]["state"]), (text, "completed"))
        self.assertEqual(after[1]["timestamp"], before[1]["timestamp"], "its place in the session")

    def check_replay(self, turn, whole):
        for place in range(len(whole)):
            reader = self.server.events(self.session, turn, whole[place][0])
            rest = [] if getattr(reader, "status", None) == 204 else (reader.finish(), reader.seen)[1]
            self.assertEqual(rest, whole[place + 1 :])
        self.assertEqual(self.server.turn(self.session, turn).json["continues"], self.turn_id)
        old = self.server.turn(self.session, self.turn_id)
        self.assertIn(old.status, (200, 404))
        if old.status == 200:
            self.assertIn(old.json["state"], ("interrupted", "completed"))

    def test_what_the_model_is_shown(self):
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                stored = self.cut_off(SOON, shown=4, provider=provider)  # ends with a letter
                self.go_on(stored)
                messages = self.upstream.asked("told")[-1].messages
                self.assertEqual(messages[:2], [("user", "Tell me."), ("assistant", stored)])
                if provider == "openai":  # an instruction
                    self.assertEqual((len(messages), messages[2][0]), (3, "user"))
                else:  # the answer is pre-filled
                    self.assertEqual(len(messages), 2)
                self.assertEqual(self.server.stop(), 0)

    def test_a_prefilled_answer_does_not_end_with_a_blank(self):
        """Anthropic's API refuses that."""
        stored = self.cut_off(SOON, shown=5, provider="anthropic")
        self.assertTrue(stored.endswith(" "))
        self.go_on(stored)
        role, text = self.upstream.asked("told")[-1].messages[-1]
        self.assertFalse(role == "assistant" and text != text.rstrip(), text)

    def test_it_answers_json_too(self):
        stored = self.cut_off(SOON, shown=5)
        before = self.server.history(self.session)
        answer = self.go_on(stored, stream=False)
        self.assertEqual((answer["conversation_length"], answer["state"]), (2, "completed"))
        self.assertNotEqual(answer["turn_id"], self.turn_id)
        self.check_stored(before, answer["message"])
        following = self.assert_answer(self.server.chat("And then?", self.session, model="openai/echo"))
        self.assertEqual(following["conversation_length"], 4)
        self.assertEqual(self.upstream.asked("echo")[-1].messages[1], ("assistant", answer["message"]))

    def test_the_session_shows_it_running_and_another_device_sees_it(self):
        stored = self.cut_off(SOON, shown=5)
        held = Held("more ", "text")
        self.upstream.script("told", held.answer)
        stream = self.server.go_on(self.session, self.turn_id, stream=True)
        turn = stream.next().json["turn_id"]
        other, feed = self.server.events(self.session, turn), self.server.feed(self.session)
        held.next()
        stream.until("text.delta")
        self.assertEqual(self.server.page(self.session).json["running"], turn)
        running = self.server.turn(self.session, turn).json
        self.assertEqual((running["state"], running["continues"]), ("running", self.turn_id))
        self.assertEqual(running["message"], stored + "more ")
        held.rest()
        stream.finish(), other.finish(), feed.until("turn.completed")
        self.assertEqual(other.seen, stream.seen)
        self.assertEqual(feed.seen, stream.seen)

    def test_refused_where_it_is_whole(self):
        stored = self.cut_off(SOON, shown=5)
        answer = self.go_on(stored, stream=False)
        for turn in (self.turn_id, answer["turn_id"]):
            self.assert_error(self.server.go_on(self.session, turn), 409, "conflict")
            self.assert_error(self.server.go_on(self.session, turn, stream=True), 409, "conflict")
        ordinary = self.server.chat("x", self.session, model="openai/echo").json
        self.assert_error(self.server.go_on(self.session, ordinary["turn_id"]), 409, "conflict")
        self.assertEqual(len(self.server.history(self.session)), 4)

    def test_refused_where_the_session_has_moved_on(self):
        self.cut_off(SOON, shown=5)
        self.server.chat("x", self.session, model="openai/echo")
        before, asked = self.server.history(self.session), len(self.upstream.requests)
        self.assert_error(self.server.go_on(self.session, self.turn_id), 409, "conflict")
        self.assertEqual((self.server.history(self.session), len(self.upstream.requests)), (before, asked))

    def test_what_is_not_there(self):
        self.cut_off(SOON, shown=1)
        self.server.chat("x", "other", model="openai/echo")
        for session, turn in ((self.session, "nothing"), ("nowhere", self.turn_id), ("other", self.turn_id)):
            self.assert_error(self.server.go_on(session, turn), 404, "not_found")
        self.assert_error(self.server.go_on(self.session, self.turn_id, colour="red"), 400, "invalid_request", "colour")
        self.assert_error(
            self.server.request("POST", f"/sessions/{self.session}/turns/{self.turn_id}/continue", b"{"),
            400,
            "invalid_request",
        )

    def test_a_running_turn_cannot_be_continued(self):
        self.begin(SOON, shown=2)
        self.assert_error(self.server.go_on(self.session, self.turn_id), 409, "conflict")
        self.held.rest()
        self.assertEqual(self.stream.finish().json["message"], "".join(PIECES))
        self.addCleanup(self.end, self.server)

    def test_cancelled_and_failed_turns_go_on_too(self):
        self.cut_off(SOON, shown=0, settled=False)
        for state, fault in (("failed", CUT), ("cancelled", STALL)):
            with self.subTest(state):
                self.session = state
                self.upstream.script("told", Answer("half ", "an ", fault))
                stream = self.server.stream("x", state, model="openai/told")
                self.turn_id = stream.next().json["turn_id"]
                stream.until("text.delta"), stream.until("text.delta")
                if state == "cancelled":
                    self.server.cancel(state, self.turn_id)
                stream.finish()
                self.server.wait_turn(state, self.turn_id, state)
                self.assertEqual(self.go_on("half an ", ("answer",), stream=False)["message"], "half an answer")

    def test_only_one_of_several_continues(self):
        """The others wait their turn, or are refused at once; either way they change nothing."""
        self.cut_off(SOON, shown=5)
        held = Held("!")
        self.upstream.script("told", held.answer)
        asked = len(self.upstream.asked("told"))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(self.server.go_on, self.session, self.turn_id) for _ in range(4)]
            wait_for(lambda: held.gates[0].reached.is_set(), "the model to be asked")
            held.rest()
            responses = [f.result() for f in sent]
        self.assertEqual(sorted(r.status for r in responses), [200, 409, 409, 409])
        for response in responses:
            if response.status == 409:
                self.assert_error(response, 409, "conflict")
        self.assertEqual(len(self.upstream.asked("told")), asked + 1)
        self.assertEqual(len(self.server.history(self.session)), 2)

    def test_under_a_key_it_happens_once(self):
        """Also over a kill; and the key means this continuation alone."""
        stored = self.cut_off(SOON, shown=5)
        self.upstream.script("told", Answer("the end"))
        headers = {"idempotency-key": "continue"}
        first = self.assert_answer(self.server.go_on(self.session, self.turn_id, headers=headers), stored + "the end")
        asked = len(self.upstream.asked("told"))
        for kill in (False, True):
            if kill:
                self.crash()
            again = self.server.go_on(self.session, self.turn_id, headers=headers)
            self.assertEqual((self.assert_answer(again), again.headers["idempotency-replayed"]), (first, "true"))
            stream = self.server.go_on(self.session, self.turn_id, stream=True, headers=headers)
            stream.finish()
            self.assertEqual((stream.text, stream.seen[-1][2]), (first["message"], first))
        self.assertEqual(len(self.upstream.asked("told")), asked)
        self.assert_error(self.server.chat("x", self.session, headers=headers), 422, "invalid_request")

    def test_cancelled_it_keeps_all_that_there_is(self):
        stored = self.cut_off(SOON, shown=5)
        self.upstream.script("told", Answer("more ", STALL))
        stream = self.server.go_on(self.session, self.turn_id, stream=True)
        turn = stream.next().json["turn_id"]
        stream.until("text.delta")
        cancelled = self.server.cancel(self.session, turn)
        self.assertEqual((cancelled.status, cancelled.json["message"]), (200, stored + "more "))
        self.assertEqual(stream.finish().json["partial"], stored + "more ")
        user, answer = self.server.history(self.session)
        self.assertEqual((answer["content"], answer["state"]), (stored + "more ", "cancelled"))
        self.turn_id = turn
        self.go_on(stored + "more ", ("end",), stream=False)

    def test_asked_for_later_or_with_what_has_no_place(self):
        self.cut_off(SOON, shown=5)
        path = f"/sessions/{self.session}/turns/{self.turn_id}/continue"
        for fields in (
            {"message": "x"},
            {"system": "x"},
            {"session_id": "x"},
            {"parent": "2999-01-01T00:00:00.000000Z"},
        ):
            with self.subTest(**fields):
                self.assert_error(self.server.request("POST", path, fields), 400, "invalid_request", *fields)
        self.upstream.script("told", Answer("end"))
        response = self.server.request("POST", path, {}, {"prefer": "respond-async"})
        self.assertEqual(response.status, 202, response.body)
        turn = self.server.wait_turn(self.session, response.json["turn_id"])
        self.assertEqual((turn["state"], turn["continues"]), ("completed", self.turn_id))

    def test_killed_again_while_it_goes_on(self):
        """Nothing of what had been stored is lost, and it can be continued once more."""
        stored = self.cut_off(SOON, shown=3)
        for pieces in (("and ", "then "), ("at ", "last ")):
            self.held = Held(*pieces, "never")
            self.upstream.script("told", self.held.answer)
            self.stream = self.server.go_on(self.session, self.turn_id, stream=True)
            self.turn_id = self.stream.next().json["turn_id"]
            for _ in pieces:
                self.held.next()
                self.stream.until("text.delta")
            wait_saved(self.database, pieces[-1])
            self.crash()
            stored += "".join(pieces)
            user, answer = self.server.history(self.session)
            self.assertEqual((answer["content"], answer["state"]), (stored, "interrupted"))
            reader = self.read()
            self.assertEqual((reader.text, reader.seen[-1][1]), (stored, "turn.interrupted"))
            self.assertEqual(reader.seen[:-1], self.stream.seen)
        self.assertEqual(self.go_on(stored, ("the end",), stream=False)["message"], stored + "the end")
        self.assertEqual([m["state"] for m in self.server.history(self.session)], ["completed"] * 2)

    def test_killed_again_before_anything_was_added(self):
        stored = self.cut_off(SOON, shown=3)
        self.upstream.script("told", Answer(STALL))
        self.stream = self.server.go_on(self.session, self.turn_id, stream=True)
        self.stream.until("text.replaced")
        self.crash()
        user, answer = self.server.history(self.session)
        self.assertEqual((answer["content"], answer["state"]), (stored, "interrupted"))

    def test_a_continuation_that_fails_keeps_what_there_was(self):
        for fault in (CUT, None):
            with self.subTest(fault=fault):
                stored = self.cut_off(SOON, shown=3)
                failing = Answer("more", CUT) if fault else Answer(status=500, body={})
                self.upstream.script("told", failing)
                stream = self.server.go_on(self.session, self.turn_id, stream=True)
                if hasattr(stream, "finish"):
                    self.assertEqual(stream.finish().name, "turn.failed")
                user, answer = self.server.history(self.session)
                self.assertEqual(answer["content"], stored + ("more" if fault else ""))
                self.assertIn(answer["state"], ("failed", "interrupted"))
                self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
