"""GET /openapi.json: OpenAPI 3.1, and what it says is what the server does."""

import unittest

import json_schema
from answers import CUT, STALL, Answer, Thinking, Tool, Usage
from client import request
from harness import ServerCase, turn_path

PATHS = {
    "/chat": {"post"},
    "/sessions": {"get"},
    "/sessions/{id}": {"delete"},
    "/sessions/{id}/messages": {"get"},
    "/sessions/{id}/events": {"get"},
    "/sessions/{id}/turns/{turn}": {"get"},
    "/sessions/{id}/turns/{turn}/events": {"get"},
    "/sessions/{id}/turns/{turn}/cancel": {"post"},
    "/sessions/{id}/turns/{turn}/continue": {"post"},
    "/usage": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/openapi.json": {"get"},
}
EVENTS = ("turn.started", "text.delta", "thinking.delta", "tool_call.delta", "usage", "turn.completed", "turn.failed")


class SchemaCheckerTest(unittest.TestCase):
    """The checker itself: it must be able to say no."""

    def test_it_finds_what_is_wrong(self):
        person = {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "age": {"type": ["integer", "null"], "minimum": 0},
            },
        }
        document = {"components": {"schemas": {"P": person}}}
        schema = {"type": "array", "items": {"$ref": "#/components/schemas/P"}, "maxItems": 2}
        self.assertEqual(json_schema.problems([{"name": "a", "age": None}], schema, document), [])
        for wrong in (
            {},
            [{}],
            [{"name": ""}],
            [{"name": 7}],
            [{"name": "a", "age": 1.5}],
            [{"name": "a", "age": True}],
            [{"name": "a", "x": 1}],
            [{"name": "a", "age": -1}],
            [{"name": "a"}] * 3,
        ):
            with self.subTest(wrong):
                self.assertTrue(json_schema.problems(wrong, schema, document))
        one = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
        self.assertEqual((json_schema.problems(1.5, one, {}), bool(json_schema.problems(1, one, {}))), ([], True))
        self.assertTrue(json_schema.problems("c", {"enum": ["a", "b"]}, {}))
        self.assertTrue(json_schema.problems("x", {"surprise": 1}, {}))


class OpenApiTest(ServerCase):
    config = {"deadlines": {"between_tokens_ms": 800}, "limits": {"body_bytes": 50000}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = cls.server.get("/openapi.json").json

    def template(self, path):
        path = path.partition("?")[0]
        if path in self.document["paths"]:
            return path
        parts = path.split("/")
        for template in self.document["paths"]:
            names = template.split("/")
            if len(names) == len(parts) and all(n == p or n.startswith("{") for n, p in zip(names, parts)):
                return template
        self.fail(f"no path of the document fits {path}")

    def documented(self, method, path, status):
        operation = self.document["paths"][self.template(path)][method.lower()]
        responses = operation["responses"]
        self.assertIn(str(status), responses, f"{method} {path} is not documented to answer {status}")
        response = responses[str(status)]
        return json_schema.resolve(self.document, response["$ref"]) if "$ref" in response else response

    def assert_documented(self, method, path, response):
        """The answer's status, type and body are what the document says."""
        told = self.documented(method, path, response.status)
        if not told.get("content"):
            self.assertEqual(response.body, b"")
            return
        kind = response.headers["content-type"].partition(";")[0]
        self.assertIn(kind, told["content"])
        if kind == "application/json":
            schema = told["content"][kind]["schema"]
            self.assertEqual(json_schema.problems(response.json, schema, self.document), [], response.body[:500])
        for name in told.get("headers", {}):
            if told["headers"][name].get("required"):
                self.assertIn(name.lower(), response.headers)

    def ask(self, method, path, body=None, status=None, headers=None):
        response = request(self.server.url, method, path, body, headers)
        if status:
            self.assertEqual(response.status, status, response.body[:300])
        with self.subTest(method=method, path=path, status=response.status):
            self.assert_documented(method, path, response)
        return response

    def test_it_is_openapi_3_1_and_whole(self):
        self.assertRegex(self.document["openapi"], r"^3\.1\.\d+$")
        self.assertTrue(self.document["info"]["title"] and self.document["info"]["version"])
        for path, methods in PATHS.items():
            with self.subTest(path):
                self.assertLessEqual(methods, set(self.document["paths"][self.same_shape(path)]))

    def same_shape(self, path):
        """The document may name a parameter otherwise."""
        blank = [("{}" if part.startswith("{") else part) for part in path.split("/")]
        for template in self.document["paths"]:
            if [("{}" if part.startswith("{") else part) for part in template.split("/")] == blank:
                return template
        self.fail(f"{path} is not in {list(self.document['paths'])}")

    def test_every_reference_leads_somewhere(self):
        def walk(value):
            if isinstance(value, dict):
                if isinstance(value.get("$ref"), str):
                    json_schema.resolve(self.document, value["$ref"])
                for inner in value.values():
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(self.document)

    def test_real_answers_fit(self):
        self.upstream.script("full", Answer(Thinking("hm"), "text", Tool("f", ("{}",)), usage=Usage(5, 4, 3, 2, 1)))
        self.ask("POST", "/chat", {"message": "x", "session_id": "s", "metadata": {"k": "v"}}, 200)
        self.ask("POST", "/chat", {"message": "x", "session_id": "s", "model": "anthropic/full"}, 200)
        self.ask("POST", "/chat", {"message": "x", "model": "openai/full", "temperature": 0.5}, 200)
        self.ask("GET", "/sessions/s/messages", None, 200)
        self.ask("GET", "/sessions/s/messages?limit=1", None, 200)
        self.ask("GET", "/sessions", None, 200)
        self.ask("GET", "/sessions?limit=1", None, 200)
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            self.ask("GET", path, None, 200)
        self.ask("DELETE", "/sessions/s", None, 204)

    def test_real_errors_fit(self):
        self.upstream.script("cut", Answer("half", CUT))
        self.upstream.script("no", Answer(status=401, body={"error": {"message": "no"}}))
        self.upstream.script("stall", Answer("half", STALL))
        for body, status in (
            ({}, 400),
            ({"message": "x", "colour": 1}, 400),
            ({"message": "x" * 60000}, 413),
            ({"message": "x", "model": "openai/cut"}, 503),
            ({"message": "x", "model": "openai/no"}, 502),
            ({"message": "x", "model": "openai/stall"}, 504),
        ):
            self.ask("POST", "/chat", body, status)
        self.ask("POST", "/chat", b"{", 400)
        self.ask("POST", "/chat", b"x", 415, {"content-type": "text/plain"})
        self.ask("POST", "/chat", {"message": "x"}, 403, {"host": "evil.example"})
        self.ask("GET", "/sessions/unknown/messages", None, 404)
        self.ask("GET", "/sessions/unknown/messages?limit=x", None, 400)
        self.ask("GET", "/sessions?limit=x", None, 400)
        self.ask("DELETE", "/sessions/unknown", None, 404)
        for path in ("/healthz", "/readyz", "/usage"):
            self.ask("GET", path, None, 403, {"host": "evil.example"})

    def cut_turn(self, session):
        """A turn that failed with half of its answer."""
        self.upstream.script("cut", Answer("half", CUT))
        return self.ask("POST", "/chat", {"message": "x", "session_id": session, "model": "openai/cut"}, 503).json["turn_id"]

    def silent_turn(self, session):
        """A turn that runs until it is cancelled: its model never begins."""
        self.upstream.script("silent", Answer(STALL))
        body = {"message": "x", "session_id": session, "model": "openai/silent"}
        return self.ask("POST", "/chat", body, 202, {"prefer": "respond-async"}).json["turn_id"]

    def test_a_turn_s_state(self):
        completed = self.ask("POST", "/chat", {"message": "x", "session_id": "states"}, 200).json["turn_id"]
        whole = self.ask("GET", turn_path("states", completed), None, 200).json
        schema = {"$ref": "#/components/schemas/Answer"}
        self.assertEqual(json_schema.problems(whole, schema, self.document), [], "it is the answer")
        running = self.silent_turn("states")
        self.assertEqual(self.ask("GET", turn_path("states", running), None, 200).json["state"], "running")
        self.ask("POST", turn_path("states", running) + "/cancel", None, 200)
        self.assertEqual(self.ask("GET", turn_path("states", running), None, 200).json["state"], "cancelled")
        failed = self.cut_turn("states")
        self.assertEqual(self.ask("GET", turn_path("states", failed), None, 200).json["state"], "failed")
        self.ask("GET", turn_path("states", "t_unknown"), None, 404)

    def test_a_turn_s_events(self):
        turn = self.ask("POST", "/chat", {"message": "x", "session_id": "events"}, 200).json["turn_id"]
        path = turn_path("events", turn) + "/events"
        self.ask("GET", path, None, 200)
        self.ask("GET", path, None, 204, {"last-event-id": f"{turn}:1000000"})
        self.ask("GET", path, None, 400, {"last-event-id": "not an event"})
        self.ask("GET", turn_path("events", "t_unknown") + "/events", None, 404)

    def test_cancelling(self):
        running = self.silent_turn("cancelling")
        self.assertEqual(self.ask("POST", turn_path("cancelling", running) + "/cancel", None, 200).json["state"], "cancelled")
        completed = self.ask("POST", "/chat", {"message": "x", "session_id": "completed"}, 200).json["turn_id"]
        self.ask("POST", turn_path("completed", completed) + "/cancel", None, 409)
        self.ask("POST", turn_path("cancelling", "t_unknown") + "/cancel", None, 404)

    def test_continuing(self):
        def path(turn):
            return turn_path("continuing", turn) + "/continue"

        turn, rest = self.cut_turn("continuing"), {"model": "openai/rest"}
        self.ask("POST", path(turn), {"message": "x"}, 400)
        self.ask("POST", path(turn), {"stop": "x" * 60000}, 413)
        self.ask("POST", path(turn), b"x", 415, {"content-type": "text/plain"})
        self.upstream.script("no", Answer(status=401, body={"error": {"message": "no"}}))
        turn = self.ask("POST", path(turn), {"model": "openai/no"}, 502).json["turn_id"]  # its answer is this one's now
        self.upstream.script("rest", Answer(" and half"), Answer("not wanted"))
        key = {"idempotency-key": "continuing"}
        whole = self.ask("POST", path(turn), rest, 200, key).json
        self.assertEqual((whole["message"], whole["continues"]), ("half and half", turn))
        self.ask("POST", path(turn), rest, 200, key)
        self.ask("POST", path(turn), rest | {"max_tokens": 7}, 422, key)
        self.ask("POST", path(whole["turn_id"]), None, 409)
        self.ask("POST", path("t_unknown"), None, 404)
        turn = self.cut_turn("continuing")
        self.assertEqual(len(self.upstream.asked("rest")), 1, "the key's second request joined the first")
        self.ask("POST", path(turn), rest, 202, {"prefer": "respond-async"})

    def test_the_request_schema_of_a_continuation(self):
        operation = self.document["paths"]["/sessions/{id}/turns/{turn}/continue"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        tools = [{"name": "f", "input_schema": {}}]
        for number, body in enumerate((
            {},
            {"stream": None, "model": "openai/m", "max_tokens": 9, "temperature": 1, "stop": ["a"], "on_disconnect": "finish"},
            {"tools": tools, "tool_choice": "auto"},
            {"stop": [""]},
            {"tool_choice": "sometimes"},
            {"system": "s"},
            {"parent": "2024-11-22T10:30:00.000000Z"},
            {"metadata": {}},
            {"colour": 1},
        )):
            with self.subTest(body):
                session = f"schema-{number}"
                path = turn_path(session, self.cut_turn(session)) + "/continue"
                fits = not json_schema.problems(body, schema, self.document)
                answer = request(self.server.url, "POST", path, body if "model" in body else body | {"model": "openai/m"})
                self.assertEqual(answer.status == 200, fits, answer.body[:300])

    def test_a_session_s_events(self):
        self.ask("POST", "/chat", {"message": "x", "session_id": "live"}, 200)
        feed = self.server.feed("live")
        kind = feed.response.headers["content-type"].partition(";")[0]
        feed.close()
        self.assertIn(kind, self.documented("GET", "/sessions/live/events", feed.response.status)["content"])
        self.ask("GET", "/sessions/live/events", None, 400, {"last-event-id": "not an event"})
        self.ask("GET", "/sessions/unknown/events", None, 404)

    def test_usage(self):
        self.ask("POST", "/chat", {"message": "x", "session_id": "used"}, 200)
        self.assertEqual(len(self.ask("GET", "/usage", None, 200).json["rows"]), 1)
        grouped = self.ask("GET", "/usage?group_by=session,owner,model,day", None, 200).json["rows"]
        self.assertLessEqual({"session", "owner", "model", "day"}, set(grouped[0]))
        self.ask("GET", "/usage?format=csv", None, 200)
        self.ask("GET", "/usage?group_by=colour", None, 400)

    def test_what_is_over_budget(self):
        budget = {"session": "*", "per": "session", "usd": "0.000000100"}
        prices = [{"model": f"openai/{name}", "input": "0", "output": "0.002"} for name in ("cut", "rest")]
        config = {"budgets": [budget], "prices": prices, "max_tokens": 50}
        server = self.running(config=config, database=self.folder / "budget.db")
        self.upstream.script("cut", Answer("half", CUT, usage=Usage(output=50)))
        spent = server.chat("x", "spent", model="openai/cut")
        for path in ("/chat", turn_path("spent", spent.json["turn_id"]) + "/continue"):
            body = {"model": "openai/rest"} | ({"message": "x", "session_id": "spent"} if path == "/chat" else {})
            refused = server.request("POST", path, body)
            self.assertEqual(refused.status, 402, refused.body)
            self.assert_documented("POST", path, refused)

    def test_an_event_stream_is_documented(self):
        stream = self.server.stream("x")
        stream.finish()
        self.assertIn("text/event-stream", self.documented("POST", "/chat", 200)["content"])
        told = str(self.document)
        for name in EVENTS:
            self.assertIn(name, told)

    def test_the_request_schema_takes_what_the_server_takes_and_nothing_more(self):
        operation = self.document["paths"]["/chat"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        for body in (
            {"message": "x"},
            {
                "message": "x",
                "session_id": "a",
                "stream": False,
                "model": "openai/m",
                "system": "s",
                "max_tokens": 5,
                "temperature": 0.5,
                "stop": ["a"],
                "metadata": {"k": "v"},
            },
            {"message": "x", "stop": "a"},
            {"content": [{"type": "text", "text": "x"}]},
            {"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
            {"content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "x"}]}]},
            {"message": "x", "tools": [{"name": "f", "input_schema": {}}], "tool_choice": "any"},
            {"message": "x", "tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"name": "f"}},
            {"content": [{"type": "text", "text": "x"}], "message": "x"},
            {"content": []},
            {"content": [{"type": "video"}]},
            {"content": [{"type": "image", "source": {"type": "url", "url": "http://example.com/"}}]},
            {"content": [{"type": "document", "source": {"type": "base64", "data": "AAAA"}}]},
            {"message": "x", "tools": [{"name": "a b", "input_schema": {}}]},
            {"message": "x", "tools": [{"name": "f", "input_schema": {"type": "string"}}]},
            {"message": "x", "tool_choice": "sometimes"},
            {},
            {"message": ""},
            {"message": 7},
            {"message": "x", "colour": 1},
            {"message": "x", "max_tokens": 0},
            {"message": "x", "session_id": "a b"},
            {"message": "x", "stream": "yes"},
            {"message": "x", "session_id": "x" * 129},
            {"message": "x", "metadata": {f"k{i}": "v" for i in range(17)}},
        ):
            with self.subTest(body):
                fits = not json_schema.problems(body, schema, self.document)
                self.assertEqual(request(self.server.url, "POST", "/chat", body).status == 200, fits)

    def test_methods_that_are_not_documented_are_not_allowed(self):
        for path, methods in self.document["paths"].items():
            for method in ("get", "post", "put", "delete", "patch"):
                if method not in methods:
                    with self.subTest(path=path, method=method):
                        answer = request(self.server.url, method.upper(), path.replace("{", "").replace("}", ""))
                        self.assertEqual(answer.status, 405)


if __name__ == "__main__":
    unittest.main()
