"""The loop of a Lambda function: how it starts, what it does when answers are not taken, freezing, SIGTERM."""

import json
import time
import unittest

import lambda_events as events
from answers import STALL, Answer
from fake_upstream import Held
from harness import wait_for
from lambda_case import LambdaCase
from lambda_runtime import FakeRuntime, Function


class StartTest(LambdaCase):
    def refused(self, **env):
        """An environment that a function cannot start with: what Lambda is told of it."""
        runtime = FakeRuntime()
        self.addCleanup(runtime.close)
        function = Function(runtime, self.environment() | env)
        self.addCleanup(function.kill)
        self.assertEqual(function.wait(), 1)
        ((kind, error),) = runtime.init_errors
        self.assertEqual((runtime.polls, error["stackTrace"]), (0, []))
        self.assertTrue(kind.startswith(("Function.", "Runtime.")), kind)
        return error["errorMessage"]

    def test_an_impossible_store(self):
        self.assertIn("/proc/nowhere", self.refused(TERTULIA_STORE="sqlite:/proc/nowhere/x.db"))
        self.assertIn("store", self.refused(TERTULIA_STORE="paper:"))

    def test_an_impossible_model(self):
        self.assertIn("nobody", self.refused(TERTULIA_MODEL="nobody/x"))
        self.assertIn("no model", self.refused(TERTULIA_MODEL=None, OPENAI_API_KEY=None, OPENAI_BASE_URL=None))

    def test_it_is_registered_as_an_extension(self):
        runtime, _ = self.start()
        self.assertEqual(json.loads(b"".join(runtime.registered)), {"events": []})
        self.assertTrue(runtime.extension_waits.wait(10))

    def test_it_goes_on_where_that_is_refused(self):
        runtime, _ = self.start(extensions=False)
        self.assertEqual(self.ask(runtime, events.rest("GET", "/healthz")).status, 200)


class LoopTest(LambdaCase):
    def test_answers_that_are_refused(self):
        runtime, function = self.start()
        for status in (413, 403, 400):
            runtime.refuse.put(status)
            self.ask(runtime, events.rest("GET", "/healthz"))
            self.assertEqual(self.ask(runtime, events.rest("GET", "/healthz")).status, 200)
        refused = lambda: [line["how"] for line in function.logged if line["event"] == "answer not taken"]
        wait_for(lambda: refused() == ["refused"] * 3, "three lines of the log")

    def test_a_sandbox_that_is_done_for(self):
        for response in ("buffered", "streaming"):
            with self.subTest(response):
                runtime, function = self.start(TERTULIA_LAMBDA_RESPONSE=response)
                function.allowed = (1,)
                runtime.refuse.put(500)
                runtime.invoke(events.rest("GET", "/healthz"))
                self.assertEqual(function.wait(), 1)

    def test_the_runtime_api_goes_away(self):
        runtime, function = self.start()
        function.allowed = (1,)
        runtime.close()
        self.assertEqual(function.wait(), 1)

    def test_it_is_frozen_between_invocations(self):
        runtime, _ = self.start(freezes=True)
        for i in range(3):
            answer = self.ask(runtime, events.rest("POST", "/chat", {"message": f"m{i}", "session_id": "s"}))
            self.assertEqual(answer.json["message"], f"[{2 * i + 1}] m{i}")
            runtime.wait_polls()

    def test_connections_that_died_meanwhile_are_made_anew(self):
        runtime, function = self.start()
        self.ask(runtime, events.rest("POST", "/chat", {"message": "a", "session_id": "s"}))
        runtime.wait_polls()
        function.freeze()
        port = self.upstream.url.rpartition(":")[2]
        self.upstream.close()
        self.upstream = type(self.upstream)(port=int(port))
        self.addCleanup(self.upstream.close)
        function.thaw()
        answer = self.ask(runtime, events.rest("POST", "/chat", {"message": "b", "session_id": "s"}))
        self.assertEqual(answer.json["message"], "[3] b")

    def test_several_at_once(self):
        runtime, _ = self.start(AWS_LAMBDA_MAX_CONCURRENCY="8")
        held = [Held("a", "b") for _ in range(8)]
        for i, one in enumerate(held):
            self.upstream.script(f"m{i}", one.answer)
        asked = [
            runtime.invoke(events.rest("POST", "/chat", {"message": "x", "model": f"openai/m{i}"})) for i in range(8)
        ]
        for one in held:
            one.gates[0].wait_reached()
        for i in reversed(range(8)):
            held[i].rest()
            self.assertEqual(asked[i].wait().json["message"], "ab")
        runtime.wait_polls(8)

    def test_sigterm_ends_what_runs(self):
        runtime, function = self.start()
        self.upstream.script("m", Answer("Hel", STALL))
        body = {"message": "x", "model": "openai/m", "session_id": "s"}
        runtime.invoke(events.rest("POST", "/chat", body))
        wait_for(lambda: self.upstream.requests, "the model is asked")
        began = time.monotonic()
        self.assertEqual(function.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        runtime, _ = self.start()
        history = self.ask(runtime, events.rest("GET", "/sessions/s/messages")).json["messages"]
        self.assertEqual((history[1]["state"], history[1]["content"]), ("interrupted", "Hel"))


if __name__ == "__main__":
    unittest.main()
