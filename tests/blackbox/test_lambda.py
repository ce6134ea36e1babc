"""The program as a buffered Lambda function: every route answers there, in each front's own form."""

import unittest

import emf
import lambda_events as events
from answers import CUT, Answer, Usage
from fake_upstream import Held
from harness import KEY, wait_for
from lambda_case import LambdaCase, events_of
from test_large_bodies import MEBIBYTE, body_of, image_of

FRONTS = (events.rest, events.http, events.url)


class BufferedTest(LambdaCase):
    def test_a_turn_over_every_front(self):
        runtime, _ = self.start()
        for front in FRONTS:
            with self.subTest(front.__name__):
                answer = self.ask(runtime, front("POST", "/chat", {"message": "hello", "session_id": front.__name__}))
                self.assertFalse(answer.is_streamed)
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(answer.json["message"], "[1] hello")
                self.assertEqual(answer.field("content-type"), "application/json")
                self.assertTrue(answer.field("x-request-id").startswith("r_"))
                history = self.ask(runtime, front("GET", f"/sessions/{front.__name__}/messages", query="limit=1"))
                self.assertEqual([m["role"] for m in history.json["messages"]], ["user"])
        self.assertFalse(runtime.answers[0].payload["isBase64Encoded"])

    def test_the_same_paths_as_everywhere(self):
        runtime, _ = self.start()
        ask = lambda *request, **more: self.ask(runtime, events.rest(*request, **more))
        self.assertEqual(ask("GET", "/healthz").json, {"status": "ok"})
        self.assertIn(b"<html", ask("GET", "/").content)
        self.assertIn("paths", ask("GET", "/openapi.json").json)
        self.assertEqual(ask("GET", "/nothing").status, 404)
        wrong = ask("PUT", "/chat")
        self.assertEqual((wrong.status, wrong.field("allow")), (405, "POST"))
        head = ask("HEAD", "/healthz")
        self.assertEqual((head.status, head.content), (200, b""))
        self.assertEqual(ask("POST", "/chat", "{").json["code"], "invalid_request")
        self.assertEqual(ask("POST", "/chat", {"message": "x"}, headers={"Content-Type": "text/plain"}).status, 415)
        large = ask("POST", "/chat", {"message": "x" * 1_100_000})
        self.assertEqual((large.status, large.json["code"]), (413, "too_large"))
        self.assertEqual(ask("GET", "/ws").status, 426)

    def test_a_stage_before_the_path_and_a_body_in_base64(self):
        runtime, _ = self.start()
        event = events.http("POST", "/chat", {"message": "grüß dich"}, stage="prod")
        self.assertEqual(self.ask(runtime, events.encoded(event)).json["message"], "[1] grüß dich")

    def test_events_that_are_wanted_come_together(self):
        runtime, _ = self.start()
        self.upstream.script("m", Answer("Hel", "lo"))
        body = {"message": "x", "model": "openai/m", "stream": True, "session_id": "s"}
        answer = self.ask(runtime, events.rest("POST", "/chat", body))
        self.assertEqual(answer.field("content-type"), "text/event-stream")
        names = [name for name, _ in events_of(answer.content)]
        self.assertEqual((names[0], names[-1]), ("turn.started", "turn.completed"))
        turn = events_of(answer.content)[-1][1]["turn_id"]
        # A session's events end where there is a pause, and the client asks again.
        again = self.ask(runtime, events.rest("GET", "/sessions/s/events", headers={"Last-Event-ID": f"{turn}:1"}))
        self.assertEqual(events_of(again.content)[-1][0], "turn.completed")

    def test_a_large_content(self):
        runtime, _ = self.start()
        answer = self.ask(runtime, events.encoded(events.rest("POST", "/chat", body_of(3 * MEBIBYTE).decode())))
        self.assertEqual(answer.status, 200, answer.body)
        (asked,) = self.upstream.asked("large")
        self.assertIn(image_of(3 * MEBIBYTE)["source"]["data"], asked.raw.decode())

    def test_an_answer_too_long_for_lambda_is_said_so(self):
        runtime, _ = self.start(TERTULIA_LIMITS_BODY_BYTES="4000000", TERTULIA_LIMITS_ANSWER_BYTES="4000000")
        for _ in range(3):
            self.ask(runtime, events.http("POST", "/chat", {"message": "\\" * 1_900_000, "session_id": "s"}))
        answer = self.ask(runtime, events.http("GET", "/sessions/s/messages"))
        self.assertEqual((answer.status, answer.json["code"]), (413, "too_large"))

    def test_a_token_is_asked_for_where_there_is_one(self):
        runtime, _ = self.start(TERTULIA_API_TOKEN="secret")
        self.assertEqual(self.ask(runtime, events.rest("GET", "/sessions")).status, 401)
        allowed = self.ask(runtime, events.rest("GET", "/sessions", headers={"authorization": "Bearer secret"}))
        self.assertEqual(allowed.status, 200)

    def test_unknown_events_are_failures_with_a_type(self):
        runtime, _ = self.start()
        for event in ({"Records": []}, [1], b"{", {"methodArn": "x", "httpMethod": "GET", "resource": "/"}):
            with self.subTest(event):
                answer = self.ask(runtime, event)
                self.assertEqual(answer.error["errorType"], "Request.Invalid")
                self.assertTrue(answer.error["errorMessage"])
                self.assertEqual(answer.error_type, "Function.RequestInvalid")
        broken = events.http("GET", "/healthz") | {"body": "?", "isBase64Encoded": True}
        self.assertEqual(self.ask(runtime, broken).status, 400)

    def test_a_turn_that_goes_on_behind_its_answer_is_run_to_its_end(self):
        runtime, _ = self.start()
        held = Held("Hel", "lo")
        self.upstream.script("m", held.answer)
        body = {"message": "x", "model": "openai/m", "session_id": "s"}
        answer = self.ask(runtime, events.http("POST", "/chat", body, headers={"prefer": "respond-async"}))
        self.assertEqual(answer.status, 202)
        self.assertEqual(runtime.waiting, 0, "the sandbox would be frozen")
        held.rest()
        runtime.wait_polls()
        done = self.ask(runtime, events.http("GET", answer.field("location")))
        self.assertEqual((done.json["state"], done.json["message"]), ("completed", "Hello"))

    def test_each_invocation_is_tied_to_its_trace(self):
        runtime, function = self.start()
        trace = "Root=1-67891233-abcdef012345678912345678;Sampled=1"
        asked = runtime.invoke(events.rest("POST", "/chat", {"message": "x", "session_id": "s"}), trace=trace)
        direct = runtime.invoke({"kind": "chat.turn", "message": "y", "session_id": "s"}, trace=None)
        asked.wait(), direct.wait()
        lines = wait_for(lambda: len(found := [line for line in function.logged if line["event"] == "invocation"]) == 2 and found)
        self.assertEqual([(line["invocation"], line["trace_id"], line["shape"]) for line in lines],
                         [(asked.id, trace, "rest"), (direct.id, "", "direct")])
        turns = {line["request_id"] for line in function.logged if line["event"] == "turn ended"}
        self.assertEqual({line["request_id"] for line in lines}, turns)

    def test_metrics_and_logs(self):
        runtime, function = self.start(OPENAI_BASE_URL=self.upstream.url + "/v1")
        self.upstream.script("default", Answer("Hi", usage=Usage(input=7, cache_read=5, output=2)))
        self.upstream.script("bad", Answer("Hi", CUT))
        self.ask(runtime, events.rest("POST", "/chat", {"message": "x", "session_id": "s"}))
        self.ask(runtime, events.rest("POST", "/chat", {"message": "x", "session_id": "t", "model": "openai/bad"}))
        runtime.wait_polls()
        wait_for(lambda: len(function.output) == 2, "a line for each turn")
        good, bad = (emf.metrics_of(line) for line in function.metrics)
        self.assertEqual(set(good), {(), ("provider", "model")})
        for values in good.values():
            self.assertEqual((values["Turns"], values["Errors"]), (1, 0))
            self.assertEqual((values["InputTokens"], values["CacheReadTokens"], values["OutputTokens"]), (7, 5, 2))
            self.assertGreaterEqual(values["TurnLatency"], values["TimeToFirstToken"])
        first, second = function.metrics
        self.assertEqual((first["provider"], first["model"], first["session_id"]), ("openai", "openai/default", "s"))
        self.assertEqual((second["model"], second["answered_by"]), ("other", "openai/bad"))
        self.assertEqual((bad[()]["Errors"], bad[("code",)], second["code"]), (1, {"Errors": 1}, "upstream_unavailable"))
        wait_for(lambda: [line["event"] for line in function.logged].count("turn ended") == 2, "both turns in the log")
        self.assertNotIn(KEY, "\n".join(function.log + function.output))


if __name__ == "__main__":
    unittest.main()
