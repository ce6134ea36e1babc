"""`parent`: a send by one who has not seen everything is refused, shown what it missed, and writes nothing."""

import concurrent.futures
import threading
import unittest

from answers import STALL, Answer
from fake_upstream import Gate
from harness import ServerCase

LONG_AGO, TO_COME = "2001-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"


class ParentTest(ServerCase):
    def begun(self, session, turns=1):
        """A session of so many turns; the timestamps of all messages."""
        for i in range(turns):
            self.server.chat(f"m{i}", session, model="openai/begun")
        return [m["timestamp"] for m in self.server.history(session)]

    def assert_stale(self, response, session, after):
        """Refused, with what stands in the history after that place."""
        body = self.assert_error(response, 409, "conflict")
        stored = [m for m in self.server.history(session) if m["timestamp"] > after]
        self.assertEqual(body["missed"], stored)
        return body

    def test_the_head_as_parent_is_welcome(self):
        parent = self.begun("head")[-1]
        for i in range(3):
            answer = self.assert_answer(self.server.chat("x", "head", parent=parent))
            self.assertEqual(answer["conversation_length"], 4 + 2 * i)
            parent = answer["timestamp"]
        stream = self.server.stream("x", "head", parent=parent)
        self.assertEqual(stream.finish().name, "turn.completed")

    def test_what_is_tried_again_has_missed_nothing(self):
        for number, tells in enumerate(({"idempotency-key": "again"}, {"x-stainless-retry-count": "1"})):
            with self.subTest(tells):
                session, model = f"again-{number}", f"again-{number}"
                parent = self.begun(session)[-1]
                self.upstream.script(model, *[Answer(status=400, body={})] * 2, Answer("at last"))
                fields = {"model": f"openai/{model}", "parent": parent}
                first = tells if "idempotency-key" in tells else {"x-stainless-retry-count": "0"}
                self.assert_error(self.server.chat("x", session, headers=first, **fields), 502, "upstream_rejected")
                self.assert_error(self.server.chat("x", session, headers=tells, **fields), 502, "upstream_rejected")
                answer = self.assert_answer(self.server.chat("x", session, headers=tells, **fields), "at last")
                self.assertEqual(answer["conversation_length"], 4)
                # But where somebody else has gone on, it has.
                parent = answer["timestamp"]
                self.upstream.script(model, Answer(status=400, body={}), Answer("too late"))
                other = {name: value + "0" for name, value in tells.items()}
                fields["parent"] = parent
                self.assert_error(
                    self.server.chat("y", session, headers=other | first if number else other, **fields), 502, "upstream_rejected"
                )
                self.assert_answer(self.server.chat("z", session, model="openai/begun"))
                self.assert_stale(self.server.chat("y", session, headers=other, **fields), session, parent)

    def test_a_stale_one_is_refused_and_nothing_written(self):
        places = self.begun("stale", 3)
        before, asked = self.server.history("stale"), len(self.upstream.requests)
        for parent in places[:-1]:
            with self.subTest(parent):
                for policy in ("queue", "reject", "interrupt"):
                    self.assert_stale(self.server.chat("late", "stale", parent=parent, on_busy=policy), "stale", parent)
                self.assert_stale(self.server.stream("late", "stale", parent=parent), "stale", parent)
        self.assertEqual((self.server.history("stale"), len(self.upstream.requests)), (before, asked))

    def test_places_that_never_were(self):
        self.begun("never", 1)
        for parent in (LONG_AGO, TO_COME):
            with self.subTest(parent):
                response = self.server.chat("x", "never", parent=parent)
                self.assertIn(response.status, (400, 409), response.body)
        response = self.server.chat("x", "never-begun", parent=LONG_AGO)
        self.assertIn(response.status, (400, 404, 409), response.body)
        self.assertEqual(self.server.history("never-begun"), [])
        self.assertEqual(len(self.server.history("never")), 2)

    def test_what_is_no_timestamp(self):
        self.begun("bad")
        for parent in ("", "yesterday", 7, ["x"], True):
            with self.subTest(parent):
                self.assert_error(self.server.chat("x", "bad", parent=parent), 400, "invalid_request", "parent")
        for parent in (
            "2024-11-22",
            "2024-13-22T10:30:00.000000Z",
        ):  # nearly one: never the head, whatever it is called
            with self.subTest(parent):
                self.assertIn(self.server.chat("x", "bad", parent=parent).status, (400, 409))
        self.assertEqual(len(self.server.history("bad")), 2)

    def test_of_several_with_one_parent_exactly_one_wins(self):
        for form in ("json", "mixed"):
            for policy in ("queue", "reject", "interrupt"):
                with self.subTest(form=form, policy=policy):
                    session, gate = f"race-{form}-{policy}", Gate()
                    parent = self.begun(session)[-1]
                    self.upstream.script(session, Answer(gate, "won"))
                    fields = {"parent": parent, "model": "openai/" + session, "on_busy": policy}

                    def send(i):
                        if form == "mixed" and i % 2:
                            stream = self.server.stream(str(i), session, **fields)
                            if not hasattr(stream, "finish"):
                                return stream.status, stream.json
                            end = stream.finish()
                            return (200 if end.name == "turn.completed" else 409), end.json
                        response = self.server.chat(str(i), session, **fields)
                        return response.status, response.json

                    with concurrent.futures.ThreadPoolExecutor(12) as pool:
                        sent = [pool.submit(send, i) for i in range(12)]
                        gate.wait_reached()
                        gate.open()
                        results = [f.result() for f in sent]
                    statuses = [status for status, _ in results]
                    self.assertEqual((statuses.count(200), statuses.count(409)), (1, 11), results)
                    winner = str(statuses.index(200))
                    messages = self.server.history(session)
                    self.assertEqual([m["content"] for m in messages][2:], [winner, "won"])
                    self.assertEqual(len(self.upstream.asked(session)), 1)
                    if policy != "reject":  # they waited, so they missed what the winner added
                        for status, body in results:
                            if status == 409:
                                self.assertEqual(body["code"], "conflict")
                                self.assertEqual([m["content"] for m in body["missed"]][:1], [winner])

    def test_a_send_that_waited_behind_another_is_stale_by_then(self):
        parent, gate = self.begun("waited")[-1], Gate()
        self.upstream.script("first", Answer("a", gate, "b"))
        first = self.server.stream("one", "waited", parent=parent, model="openai/first")
        first.until("text.delta")
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(self.server.chat("two", "waited", parent=parent)))
        waiter.start()
        waiter.join(0.2)  # refused at once, or when its turn comes: both are right
        gate.open()
        first.finish()
        waiter.join(20)
        body = self.assert_error(answers[0], 409, "conflict")
        self.assertEqual(body["missed"][0]["content"], "one")
        self.assertEqual(len(self.server.history("waited")), 4)

    def test_only_one_who_saw_the_question_interrupts_its_answer(self):
        for seen in (False, True):
            with self.subTest(seen=seen):
                session = f"interrupted-{seen}"
                parent, gate = self.begun(session)[-1], Gate()
                self.upstream.script(session, Answer("half", gate, "whole"))
                running = self.server.stream("one", session, model="openai/" + session)
                running.until("text.delta")
                if seen:
                    parent = self.server.history(session)[-1]["timestamp"]
                    fields = {"parent": parent, "on_busy": "interrupt", "model": "openai/begun"}
                    self.assert_answer(self.server.chat("two", session, **fields))
                    self.assertEqual(running.finish().name, "turn.cancelled")
                    self.assert_stale(self.server.chat("three", session, **fields), session, parent)
                else:
                    stale = self.server.stream("two", session, parent=parent, on_busy="interrupt")
                    self.assertEqual(stale.next().name, "turn.queued")
                    gate.open()
                    self.assertEqual(running.finish().name, "turn.completed")
                    self.assertEqual(stale.finish().json["missed"][0]["content"], "one")
                self.assertEqual(len(self.server.history(session)), 6 if seen else 4)

    def test_one_who_saw_the_running_answers_end_may_send(self):
        """The head is the last message of the session: also one that was cancelled, or failed."""
        for model, answer in (("cancelled", Answer("half", STALL)), ("failed", Answer(status=500, body={}))):
            with self.subTest(model):
                self.upstream.script(model, answer)
                stream = self.server.stream("x", model, model="openai/" + model)
                if model == "cancelled":
                    turn = stream.next().json["turn_id"]
                    stream.until("text.delta")
                    self.server.cancel(model, turn)
                if hasattr(stream, "finish"):
                    stream.finish()
                parent = self.server.wait_idle(model)[-1]["timestamp"]
                answer = self.server.chat("y", model, parent=parent, model="openai/begun")
                self.assertEqual(self.assert_answer(answer)["conversation_length"], 4)

    def test_a_user_message_is_no_head(self):
        user, answer = self.begun("user-head")
        self.assert_stale(self.server.chat("x", "user-head", parent=user), "user-head", user)
        self.assert_answer(self.server.chat("x", "user-head", parent=answer))

    def test_many_missed_messages_are_bounded(self):
        """A page of them at most, the first ones first: the client reads on from there."""
        first = self.begun("many", 30)[1]
        body = self.assert_error(self.server.chat("x", "many", parent=first), 409, "conflict")
        stored = [m for m in self.server.history("many") if m["timestamp"] > first]
        self.assertTrue(body["missed"])
        self.assertEqual(body["missed"], stored[: len(body["missed"])])


if __name__ == "__main__":
    unittest.main()
