"""An official SDK's automatic retries, and repeated requests after a restart or a kill."""

import concurrent.futures
import contextlib
import time
import unittest

from answers import Answer
from client import Closed, Stream
from crash_case import wait_saved
from fake_upstream import Gate, Held
from harness import wait_for
from once_case import OnceCase, attempt, key


class RetryCountTest(OnceCase):
    """An official SDK's automatic retries, which carry no key."""

    def test_retries_are_the_first_attempt_again(self):
        for session in ("sdk", None):
            with self.subTest(session):
                model = f"sdk-{session}"
                body = {"session": session, "model": "openai/" + model}
                first = self.server.chat("x", headers=attempt(0), **body).json
                for number in (1, 2):
                    self.assert_same(self.server.chat("x", headers=attempt(number), **body), first)
                stream = self.whole(self.server.stream("x", headers=attempt(1), **body))
                self.assertEqual(stream.seen[-1][2], first)
                self.assertEqual(self.asked(model), 1)

    def test_a_retry_joins_while_it_runs(self):
        held = Held("a", "b")
        self.upstream.script("sdk-joins", held.answer)
        body = {"session": "sdk-joins", "model": "openai/sdk-joins"}
        first = self.server.stream("x", headers=attempt(0), **body)
        held.next()
        first.until("text.delta")
        second = self.server.stream("x", headers=attempt(1), **body)
        held.rest()
        first.finish(), second.finish()
        self.assertEqual(second.seen, first.seen)
        self.assertEqual(self.asked("sdk-joins"), 1)

    def test_first_attempts_are_never_the_same(self):
        turns = {self.server.chat("x", "firsts", headers=attempt(0)).json["turn_id"] for _ in range(3)}
        self.assertEqual(len(turns), 3)

    def test_the_latest_first_attempt_counts(self):
        self.server.chat("x", "latest", headers=attempt(0))
        latest = self.server.chat("x", "latest", headers=attempt(0)).json
        self.assert_same(self.server.chat("x", "latest", headers=attempt(1)), latest)

    def test_without_a_first_attempt_or_with_another_body_it_is_new(self):
        self.assert_answer(self.server.chat("never sent", headers=attempt(1)))
        first = self.server.chat("x", "other", headers=attempt(0)).json
        for message, session in (("y", "other"), ("x", "another")):
            answer = self.assert_answer(self.server.chat(message, session, headers=attempt(1)))
            self.assertNotEqual(answer["turn_id"], first["turn_id"])

    def test_without_the_header_it_is_new(self):
        first = self.server.chat("x", "no-header", headers=attempt(0)).json
        self.assertNotEqual(self.server.chat("x", "no-header").json["turn_id"], first["turn_id"])

    def test_rubbish_in_the_header_is_no_retry(self):
        self.server.chat("x", "rubbish", headers=attempt(0))
        for value in ("", "x", "-1", "1.5", "99999999999999999999999"):
            with self.subTest(value):
                self.assertLess(
                    self.server.chat("x", "rubbish", headers={"x-stainless-retry-count": value}).status, 500
                )

    def test_a_failed_first_attempt_is_tried_again_and_adds_no_message(self):
        self.upstream.script("sdk-fails", Answer(status=529, body={}), Answer("fine"))
        body = {"session": "sdk-fails", "model": "openai/sdk-fails"}
        self.assert_error(self.server.chat("x", headers=attempt(0), **body), 503, "upstream_unavailable")
        answer = self.assert_answer(self.server.chat("x", headers=attempt(1), **body), "fine")
        self.assertEqual(answer["conversation_length"], 2)
        self.assertEqual(len(self.server.history("sdk-fails")), 2)

    def test_a_failed_first_attempt_without_a_session(self):
        self.upstream.script("sdk-alone", Answer(status=529, body={}), Answer("fine"))
        first = self.assert_error(
            self.server.chat("x", headers=attempt(0), model="openai/sdk-alone"), 503, "upstream_unavailable"
        )
        answer = self.assert_answer(self.server.chat("x", headers=attempt(1), model="openai/sdk-alone"), "fine")
        self.assertEqual(answer["conversation_length"], 2)
        self.assertEqual(answer["session_id"], first.get("session_id", answer["session_id"]))


class RestartTest(OnceCase):
    server_per_test = True

    def started(self):
        database = self.folder / f"{self.id().rpartition('.')[2]}.db"
        self.server = self.start(database=database, config={"checkpoints": {"interval_ms": 20}})
        self.database = database
        return self.server

    def again(self, kill=False):
        if kill:
            self.server.process.kill()
            self.server.wait()
        else:
            self.end(self.server)
        self.server = self.running(database=self.database, config={"checkpoints": {"interval_ms": 20}})

    def test_keys_and_first_attempts_survive(self):
        self.started()
        first = self.server.chat("x", "kept", model="openai/kept", headers=key("kept")).json
        alone = self.server.chat("x", model="openai/kept", headers=key("alone")).json
        sdk = self.server.chat("x", model="openai/kept", headers=attempt(0)).json
        for kill in (False, True):
            self.again(kill)
            self.assert_same(self.server.chat("x", "kept", model="openai/kept", headers=key("kept")), first)
            self.assert_same(self.server.chat("x", model="openai/kept", headers=key("alone")), alone)
            self.assert_same(self.server.chat("x", model="openai/kept", headers=attempt(1)), sdk)
            stream = self.whole(self.server.stream("x", "kept", model="openai/kept", headers=key("kept")))
            self.assertEqual((stream.text, stream.seen[-1][2]), (first["message"], first))
            response = self.server.chat("y", "kept", model="openai/kept", headers=key("kept"))
            self.assert_error(response, 422, "invalid_request")
        self.assertEqual(self.asked("kept"), 3)

    def test_killed_before_any_text_the_retry_runs_and_adds_no_message(self):
        server, gate = self.started(), Gate()
        self.upstream.script("early", Answer(gate, "never"), Answer("this time"))
        body = {"session": "early", "model": "openai/early", "headers": key("early")}
        stream = server.stream("x", **body)
        stream.until("turn.started")
        gate.wait_reached()
        self.again(kill=True)
        with contextlib.suppress(Closed, ConnectionError):
            stream.finish()
        stream.close()
        response = self.server.chat("x", **body)
        answer = self.assert_answer(response, "this time")
        self.assertEqual(answer["conversation_length"], 2)
        self.assertEqual([m["content"] for m in self.server.history("early")], ["x", "this time"])
        self.assertEqual(self.upstream.asked("early")[-1].messages, [("user", "x")])
        self.assert_same(self.server.chat("x", **body), answer)
        gate.open()

    def test_killed_with_text_the_retry_is_that_turn(self):
        server, gate = self.started(), Gate()
        self.upstream.script("late", Answer("some ", "text", gate), Answer("never"))
        body = {"session": "late", "model": "openai/late", "headers": key("late")}
        stream = server.stream("x", **body)
        stream.until("text.delta"), stream.until("text.delta")
        turn = stream.events[0].json["turn_id"]
        wait_saved(self.database, "text")
        self.again(kill=True)
        stream.close()
        response = self.server.chat("x", **body)
        self.assertGreaterEqual(response.status, 400, response.body)
        replay = self.whole(self.server.stream("x", **body))
        self.assertEqual((replay.text, replay.seen[-1][1]), ("some text", "turn.interrupted"))
        self.assertEqual(replay.seen[-1][2]["turn_id"], turn)
        self.assertEqual(self.asked("late"), 1)
        self.assertEqual([m["state"] for m in self.server.history("late")], ["completed", "interrupted"])
        whole = self.assert_answer(self.server.go_on("late", turn))  # and it can be made whole
        self.assertTrue(whole["message"].startswith("some text"))
        gate.open()

    def test_retries_that_go_on_through_a_kill(self):
        """A client that repeats one request until it is answered has sent one message, whenever the server died."""
        self.started()
        self.upstream.script("stubborn", Answer("an ", "answer"))
        for round_number in range(4):
            body = {"session": f"s{round_number}", "model": "openai/stubborn", "headers": key(f"k{round_number}")}
            with concurrent.futures.ThreadPoolExecutor(4) as pool:

                def insist():
                    while True:
                        with contextlib.suppress(Closed, OSError, AttributeError):
                            response = self.server.chat("x", timeout=10, **body)
                            if response.status == 200:
                                return response.json["turn_id"], response.json["message"]
                            if isinstance(response, Stream) or response.status not in (503, 409):
                                return response.status, response.body
                        time.sleep(0.01)

                asked = self.asked("stubborn")
                waiting = [pool.submit(insist) for _ in range(4)]
                if round_number:
                    wait_for(lambda: self.asked("stubborn") > asked, "the model to be asked")
                self.again(kill=True)
                results = {w.result(60) for w in waiting}
            self.assertEqual(len(results), 1, results)
            messages = self.server.history(f"s{round_number}")
            self.assertEqual([m["content"] for m in messages], ["x", "an answer"], round_number)


if __name__ == "__main__":
    unittest.main()
