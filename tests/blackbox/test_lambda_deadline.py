"""A Lambda function whose time is nearly up: turns end as interrupted, kept, and can be continued at once."""

import time
import unittest

import lambda_events as events
from answers import STALL, Answer
from harness import wait_for
from lambda_case import LambdaCase, events_of

SECONDS = 3


class DeadlineTest(LambdaCase):
    def stalled(self, **more):
        self.upstream.script("m", Answer("Hel", STALL), Answer("lo"))
        return {"message": "x", "model": "openai/m", "session_id": "s"} | more

    def continue_elsewhere(self, function, turn):
        """In another sandbox, once the first has gone (SQLite allows one at a time)."""
        self.assertEqual(function.stop(), 0)
        runtime, _ = self.start()
        answer = self.ask(runtime, events.rest("POST", f"/sessions/s/turns/{turn}/continue"))
        self.assertEqual((answer.status, answer.json["message"]), (200, "Hello"), answer.body)

    def test_buffered(self):
        runtime, function = self.start()
        answer = self.ask(runtime, events.rest("POST", "/chat", self.stalled()), seconds=SECONDS)
        self.assertLess(time.time() * 1000, answer.deadline_ms, "it was too late")
        self.assertEqual((answer.status, answer.json["code"]), (504, "timed_out"))
        self.assertEqual(answer.json["session_id"], "s")
        runtime.wait_polls()
        self.continue_elsewhere(function, answer.json["turn_id"])

    def test_streaming(self):
        runtime, function = self.start(TERTULIA_LAMBDA_RESPONSE="streaming")
        answer = self.ask(runtime, events.url("POST", "/chat", self.stalled(stream=True)), seconds=SECONDS)
        self.assertLess(time.time() * 1000, answer.deadline_ms, "it was too late")
        name, data = events_of(answer.content)[-1]
        self.assertEqual(name, "turn.interrupted")
        self.assertEqual(answer.trailers["lambda-runtime-function-error-type"], "Function.ProviderTimedOut")
        runtime.wait_polls()
        self.continue_elsewhere(function, data["turn_id"])

    def test_behind_an_answer(self):
        runtime, _ = self.start()
        event = events.rest("POST", "/chat", self.stalled(), headers={"prefer": "respond-async"})
        answer = self.ask(runtime, event, seconds=SECONDS)
        self.assertEqual(answer.status, 202)
        runtime.wait_polls()
        self.assertLess(time.time() * 1000, answer.deadline_ms)
        turn = self.ask(runtime, events.rest("GET", answer.field("location")))
        self.assertEqual((turn.json["state"], turn.json["message"]), ("interrupted", "Hel"))

    def test_the_fronts_limit_comes_first(self):
        runtime, _ = self.start(TERTULIA_LAMBDA_FRONT_LIMIT_MS="2000")
        answer = self.ask(runtime, events.rest("POST", "/chat", self.stalled()), seconds=60)
        self.assertEqual(answer.status, 504)
        self.assertLess(answer.answered_at - answer.given, 2.0)

    def test_a_turn_of_another_invocation_is_only_left(self):
        runtime, _ = self.start(AWS_LAMBDA_MAX_CONCURRENCY="2")
        self.upstream.script("m", Answer("Hel", STALL))
        key = {"idempotency-key": "k"}
        first = runtime.invoke(events.rest("POST", "/chat", {"message": "x", "model": "openai/m"}, headers=key), seconds=8)
        wait_for(lambda: self.upstream.asked("m"), "the model is asked")
        joined = self.ask(
            runtime,
            events.rest("POST", "/chat", {"message": "x", "model": "openai/m"}, headers=key),
            seconds=SECONDS,
        )
        self.assertEqual((joined.status, joined.json["code"]), (504, "timed_out"))
        self.assertFalse(first.done.is_set(), "its turn was ended by the other")
        first.wait()
        self.assertEqual(first.json["code"], "timed_out")
        self.assertTrue(first.json["turn_id"])


if __name__ == "__main__":
    unittest.main()
