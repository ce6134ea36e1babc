"""GET /openapi.json: OpenAPI 3.1, and what it says is what the server does."""

import unittest

import json_schema
from answers import CUT, STALL, Answer, Thinking, Tool, Usage
from client import request
from harness import ServerCase

PATHS = {
    "/chat": {"post"},
    "/sessions": {"get"},
    "/sessions/{id}": {"delete"},
    "/sessions/{id}/messages": {"get"},
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
