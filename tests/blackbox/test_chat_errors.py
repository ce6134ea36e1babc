"""POST /chat and the other paths: every refusal, in the documented shape."""

import re
import unittest

from answers import Answer
from client import Connection, request
from harness import ServerCase

MISSING = {"error": "Missing required parameter: message", "message": "Please provide a 'message' field"}
MALFORMED = {  # name: (body, offset of the error or None)
    "cut off": (b'{"message": "x"', None),
    "trailing comma": (b'{"message":"x",}', 15),
    "two values": (b'{"message":"x"} {}', 16),
    "single quotes": (b"{'message':'x'}", 1),
    "control character": (b'{"message":"a\x01b"}', 13),
    "bad escape": (b'{"message":"\\x41"}', 13),
    "bad number": (b'{"message":"x","max_tokens":01}', None),
    "unquoted after a good start": (b'{"message":"x","system":oops}', 24),
    "literal": (b'{"message":"x","stream":tru}', None),
    "nothing": (b"", None),
    "blank": (b"  \n", None),
    "lone surrogate": (b'{"message":"a\\ud800b"}', None),
    "swapped surrogates": (b'{"message":"\\ude00\\ud83d"}', None),
    "duplicate key": (b'{"message":"one","message":"two"}', None),
    "duplicate key further in": (b'{"message":"x","metadata":{"a":"1","a":"2"}}', None),
    "deep lists": (b'{"message":"x","metadata":' + b"[" * 50000 + b"]" * 50000 + b"}", None),
    "deep objects": (b'{"message":"x","metadata":' + b'{"a":' * 50000 + b"1" + b"}" * 50000 + b"}", None),
}
BAD_UTF8 = {
    "lone byte": b"\xff",
    "overlong": b"\xc0\xaf",
    "cut": b"\xe2\x82",
    "surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
}
BAD_FIELDS = [
    ("stream", "yes"),
    ("stream", 1),
    ("model", 7),
    ("model", ""),
    ("session_id", 7),
    ("system", []),
    ("max_tokens", 0),
    ("max_tokens", -1),
    ("max_tokens", 1.5),
    ("max_tokens", "many"),
    ("max_tokens", 10**30),
    ("temperature", "hot"),
    ("temperature", -1),
    ("stop", 7),
    ("stop", [7]),
    ("metadata", "x"),
    ("metadata", []),
]
BAD_SESSION_IDS = ["", "x" * 129, "a b", "../etc", ".", "..", "a/b", "ü", "a\n", "a\0", "a%41"]


class ChatErrorsTest(ServerCase):
    def post(self, raw, headers=None):
        return self.server.request("POST", "/chat", raw, headers)

    def test_a_missing_message_answers_the_documented_body(self):
        for value in ("", " \t\r\n", None, 7, True, ["a"], {"a": 1}):
            with self.subTest(value=value):
                body = self.assert_error(self.post({"message": value}), 400, "invalid_request")
                self.assertEqual(body | MISSING, body)
        body = self.assert_error(self.post({}), 400, "invalid_request")
        self.assertEqual(body | MISSING, body)

    def test_malformed_json_is_refused_with_the_offset(self):
        for name, (raw, offset) in MALFORMED.items():
            with self.subTest(name):
                body = self.assert_error(self.post(raw), 400, "invalid_request")
                if offset is not None:
                    said = [int(n) for n in re.findall(r"\d+", body["message"])]
                    self.assertTrue(any(abs(n - offset) <= 1 for n in said), (offset, body))

    def test_a_body_that_is_no_object_is_refused(self):
        for raw in (b"[]", b'"message"', b"7", b"null", b"true"):
            with self.subTest(raw):
                self.assert_error(self.post(raw), 400, "invalid_request")

    def test_invalid_utf8_is_refused(self):
        for name, bad in BAD_UTF8.items():
            with self.subTest(name):
                self.assert_error(self.post(b'{"message":"a' + bad + b'"}'), 400, "invalid_request")
                self.assert_error(self.post(b'{"message":"x","metadata":{"' + bad + b'":"v"}}'), 400, "invalid_request")

    def test_an_unknown_field_is_named(self):
        self.assert_error(self.server.chat("x", colour="red"), 400, "invalid_request", "colour")

    def test_a_field_of_the_wrong_kind_is_named(self):
        for field, value in BAD_FIELDS:
            with self.subTest(field=field, value=value):
                self.assert_error(self.server.chat("x", **{field: value}), 400, "invalid_request", field)

    def test_a_session_id_that_is_no_good_is_refused(self):
        for name in BAD_SESSION_IDS:
            with self.subTest(name[:20]):
                self.assert_error(self.server.chat("x", name), 400, "invalid_request", "session_id")

    def test_a_refused_request_leaves_nothing_behind(self):
        self.server.chat("x", "never-begun", colour="red")
        self.assert_error(self.server.page("never-begun"), 404, "not_found")
        self.assertNotIn("session_id", self.server.chat("x", "never-begun", colour="red").json)

    def test_wrong_methods_answer_405_with_allow(self):
        cases = [
            ("GET", "/chat", "POST"),
            ("PUT", "/chat", "POST"),
            ("DELETE", "/chat", "POST"),
            ("PATCH", "/chat", "POST"),
            ("POST", "/healthz", "GET"),
            ("POST", "/sessions", "GET"),
            ("POST", "/sessions/a", "DELETE"),
            ("DELETE", "/sessions/a/messages", "GET"),
            ("POST", "/metrics", "GET"),
            ("DELETE", "/openapi.json", "GET"),
        ]
        for method, path, allowed in cases:
            with self.subTest(method=method, path=path):
                response = self.server.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
                self.assert_error(response, 405, "invalid_request")
                self.assertIn(allowed, response.headers["allow"])

    def test_wrong_paths_answer_404(self):
        for path in ("/chats", "/chat/", "/chat/x", "/..%2f..%2fetc/passwd", "//chat", "/sessions/a/b/messages"):
            with self.subTest(path):
                self.assert_error(self.server.request("GET", path), 404, "not_found")

    def test_wrong_types_answer_415(self):
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json-seq",
            "text/json",
            None,
        ):
            with self.subTest(kind):
                self.assert_error(self.post({"message": "x"}, {"content-type": kind}), 415, "invalid_request")
        packed = {"content-type": "application/json", "content-encoding": "gzip"}
        self.assert_error(self.post({"message": "x"}, packed), 415, "invalid_request")

    def test_every_error_has_a_request_id_of_its_own(self):
        self.assertEqual(len({self.post({}).json["request_id"] for _ in range(5)}), 5)

    def test_errors_of_a_turn_that_began_name_it_and_it_can_be_found(self):
        self.upstream.script("broken", Answer(status=500, body={"error": {"message": "boom"}}))
        body = self.assert_error(self.server.chat("remember me", model="openai/broken"), 503, "upstream_unavailable")
        user, assistant = self.server.history(body["session_id"])
        self.assertEqual(
            (user["content"], user["state"], user["turn_id"]), ("remember me", "completed", body["turn_id"])
        )
        self.assertEqual(
            (assistant["content"], assistant["state"], assistant["turn_id"]), ("", "failed", body["turn_id"])
        )


class BodyLimitTest(ServerCase):
    config = {"limits": {"body_bytes": 10000}}

    def body(self, size):
        return b'{"message":"%s"}' % (b"x" * (size - 14))

    def test_a_body_up_to_the_limit_is_taken(self):
        self.assert_answer(request(self.server.url, "POST", "/chat", self.body(10000)))

    def test_a_longer_body_is_refused_before_it_is_read(self):
        with Connection(self.server.url) as c:  # announces a gigabyte and sends none of it
            head = c.format(
                "POST", "/chat", headers={"content-type": "application/json", "content-length": "1000000000"}
            )
            c.send(head)
            self.assert_error(c.read_response(), 413, "too_large")
            self.assertTrue(c.closed_by_server())

    def test_a_longer_chunked_body_is_refused_at_the_limit(self):
        with Connection(self.server.url) as c:
            c.send(
                c.format("POST", "/chat", headers={"content-type": "application/json", "transfer-encoding": "chunked"})
            )
            c.send(b"2711\r\n" + self.body(10001) + b"\r\n")  # no last chunk: the answer must not wait for it
            self.assert_error(c.read_response(), 413, "too_large")

    def test_a_body_that_is_sent_whole_is_refused_with_a_readable_answer(self):
        self.assert_error(request(self.server.url, "POST", "/chat", self.body(10001)), 413, "too_large")


if __name__ == "__main__":
    unittest.main()
