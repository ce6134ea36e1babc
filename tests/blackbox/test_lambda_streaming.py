"""The program as a Lambda function whose front streams: prelude, chunks as they come, trailers, heartbeats."""

import base64
import json
import unittest

import lambda_events as events
from answers import CUT, Answer
from fake_upstream import Held
from lambda_case import LambdaCase, events_of
from lambda_runtime import STREAMED


class StreamingTest(LambdaCase):
    env = {"TERTULIA_LAMBDA_RESPONSE": "streaming"}

    def assert_streamed(self, answer):
        self.assertTrue(answer.is_streamed, answer.headers)
        self.assertEqual(answer.headers["content-type"], STREAMED)
        self.assertEqual(answer.headers["transfer-encoding"], "chunked")
        self.assertTrue(answer.whole)
        self.assertTrue(answer.closed.wait(10), "the connection must be closed after the answer")
        self.assertLessEqual(set(answer.prelude), {"statusCode", "headers", "multiValueHeaders", "cookies"})

    def test_deltas_come_as_they_are_made(self):
        runtime, _ = self.start()
        for front in (events.rest, events.url):
            with self.subTest(front.__name__):
                held = Held("Hel", "lo", " you")
                self.upstream.script(front.__name__, held.answer)
                body = {"message": "x", "model": "openai/" + front.__name__, "stream": True}
                answer = runtime.invoke(front("POST", "/chat", body))
                chunks = answer.wait_chunks(2)
                self.assertTrue(chunks[0][1].endswith(b"\0" * 8), "the prelude is a chunk of its own, at once")
                self.assertIn(b"turn.started", chunks[1][1])
                for count, piece in enumerate(("Hel", "lo", " you"), 3):
                    held.next()
                    self.assertIn(json.dumps(piece).encode(), answer.wait_chunks(count)[count - 1][1])
                held.rest()
                answer.wait()
                self.assert_streamed(answer)
                self.assertEqual(answer.field("content-type"), "text/event-stream")
                self.assertEqual(events_of(answer.content)[-1][0], "turn.completed")
                self.assertEqual(answer.trailers, {})

    def test_json_and_errors_have_the_prelude_too(self):
        runtime, _ = self.start()
        for status, request in (
            (200, events.url("GET", "/healthz")),
            (200, events.url("POST", "/chat", {"message": "hello"})),
            (404, events.url("GET", "/nothing")),
            (400, events.url("POST", "/chat", "{")),
            (405, events.rest("PUT", "/chat")),
            (400, events.http("GET", "/healthz") | {"body": "?", "isBase64Encoded": True}),
        ):
            answer = self.ask(runtime, request)
            self.assert_streamed(answer)
            self.assertEqual(answer.status, status)
            json.loads(answer.content)

    def test_a_failure_in_mid_stream_is_told_twice(self):
        runtime, _ = self.start()
        self.upstream.script("m", Answer("Hel", CUT))
        answer = self.ask(runtime, events.url("POST", "/chat", {"message": "x", "model": "openai/m", "stream": True}))
        self.assert_streamed(answer)
        self.assertEqual(events_of(answer.content)[-1][0], "turn.failed")
        self.assertEqual(answer.headers["trailer"].lower(), ", ".join(sorted(answer.trailers, reverse=True)))
        self.assertEqual(answer.trailers["lambda-runtime-function-error-type"], "Function.ProviderOverloaded")
        told = json.loads(base64.b64decode(answer.trailers["lambda-runtime-function-error-body"]))
        self.assertEqual(told["errorType"], "Provider.Overloaded")

    def test_silence_is_filled_with_heartbeats(self):
        runtime, _ = self.start(TERTULIA_LIMITS_HEARTBEAT_MS="100")
        held = Held("Hel")
        self.upstream.script("m", held.answer)
        answer = runtime.invoke(events.url("POST", "/chat", {"message": "x", "model": "openai/m", "stream": True}))
        answer.wait_chunks(5)
        held.rest()
        self.assertIn(b": heartbeat\n\n", answer.wait().content)

    def test_a_sessions_events_end_with_the_invocation(self):
        runtime, _ = self.start()
        self.ask(runtime, events.url("POST", "/chat", {"message": "x", "session_id": "s"}))
        answer = self.ask(runtime, events.url("GET", "/sessions/s/events"), seconds=2)
        self.assert_streamed(answer)
        self.assertEqual((answer.status, answer.trailers), (200, {}))


if __name__ == "__main__":
    unittest.main()
