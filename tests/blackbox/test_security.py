"""Who may ask, and what never shows: tokens, hosts, CORS, keys, message text, the log's form."""

import json
import re
import unittest
import uuid

from answers import CUT, Answer
from client import Connection
from harness import KEY, Refused, ServerCase

TOKEN = "blackbox-token-0123456789abcdef"
ORIGIN = {"origin": "https://app.example"}


class TokenTest(ServerCase):
    config = {"api_token": TOKEN}

    def test_everything_but_health_needs_the_token(self):
        for method, path, body in (
            ("POST", "/chat", {"message": "x"}),
            ("GET", "/sessions", None),
            ("GET", "/sessions/a/messages", None),
            ("DELETE", "/sessions/a", None),
            ("GET", "/metrics", None),
            ("GET", "/openapi.json", None),
        ):
            for headers in (
                {},
                {"authorization": "Bearer wrong"},
                {"authorization": TOKEN},
                {"authorization": f"Basic {TOKEN}"},
                {"authorization": f"Bearer {TOKEN}x"},
                {"authorization": f"Bearer {TOKEN[:-1]}"},
                {"authorization": "Bearer "},
            ):
                with self.subTest(path=path, headers=headers):
                    response = self.server.request(method, path, body, headers)
                    self.assert_error(response, 401, "unauthenticated")
                    self.assertTrue(response.headers["www-authenticate"].startswith("Bearer"))
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.server.get(path).status, 200)

    def test_with_the_token_it_answers_and_any_host_is_welcome(self):
        for scheme in ("Bearer", "bearer"):
            headers = {"authorization": f"{scheme} {TOKEN}", "host": "chat.example.org"}
            self.assert_answer(self.server.chat("x", headers=headers))

    def test_the_token_shows_nowhere(self):
        self.server.chat("x", headers={"authorization": f"Bearer {TOKEN}"})
        self.server.chat("x", headers={"authorization": f"Bearer {TOKEN}"}, colour=1)
        self.assertNotIn(TOKEN, self.server.log_text)
        self.assertNotIn(TOKEN, str(self.upstream.requests[-1].headers))


class ListenTest(ServerCase):
    server_per_test = True

    def test_an_address_that_is_not_loopback_needs_a_token_or_insecure(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            with self.subTest(address):
                with self.assertRaises(Refused) as refused:
                    self.start(listen=address)
                self.assertNotIn(refused.exception.code, (0, -6, -11))
                for word in ("api_token", "--insecure"):
                    self.assertIn(word, refused.exception.output)
        self.assertTrue(self.running(listen="0.0.0.0:0", config={"api_token": TOKEN}).alive)

    def test_insecure_allows_it_and_any_host(self):
        server = self.running("--insecure", listen="0.0.0.0:0", database=self.folder / "insecure.db")
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        self.assert_answer(server.chat("x", headers={"host": "anything.example"}))


class HostTest(ServerCase):
    def test_a_host_that_is_not_loopback_is_forbidden(self):
        for host in (
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[2001:db8::1]",
        ):
            with self.subTest(host):
                self.assert_error(self.server.chat("x", headers={"host": host}), 403, "forbidden")

    def test_loopback_hosts_are_welcome(self):
        for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "127.0.0.1:99", "127.1.2.3", "[::1]", "[::1]:8080"):
            with self.subTest(host):
                self.assertEqual(self.server.get("/sessions", headers={"host": host}).status, 200)


class CorsTest(ServerCase):
    def test_it_is_off_by_default(self):
        for response in (
            self.server.chat("x", headers=ORIGIN),
            self.server.request("OPTIONS", "/chat", headers=ORIGIN | {"access-control-request-method": "POST"}),
        ):
            self.assertEqual([k for k in response.headers if k.startswith("access-control")], [])

    def test_a_configured_origin_is_allowed_and_no_other(self):
        server = self.running(config={"cors_origins": ["https://app.example"]}, database=self.folder / "cors.db")
        self.assertEqual(server.chat("x", headers=ORIGIN).headers["access-control-allow-origin"], "https://app.example")
        preflight = server.request(
            "OPTIONS",
            "/chat",
            headers=ORIGIN
            | {"access-control-request-method": "POST", "access-control-request-headers": "content-type"},
        )
        self.assertIn(preflight.status, (200, 204))
        self.assertEqual(preflight.headers["access-control-allow-origin"], "https://app.example")
        self.assertIn("POST", preflight.headers["access-control-allow-methods"])
        self.assertIn("content-type", preflight.headers["access-control-allow-headers"].lower())
        other = server.chat("x", headers={"origin": "https://evil.example"})
        self.assertNotIn("access-control-allow-origin", other.headers)
        stream = server.stream("x", headers=ORIGIN)
        stream.finish()
        self.assertEqual(stream.response.headers["access-control-allow-origin"], "https://app.example")


class SecretsTest(ServerCase):
    arguments = ("--log-level", "debug")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.words, cls.said = f"question-{uuid.uuid4()}", f"answer-{uuid.uuid4()}"
        cls.bodies = []
        error = {
            "type": "error",
            "error": {"type": "authentication_error", "message": f"Incorrect API key provided: {KEY}"},
        }
        for provider in ("openai", "anthropic"):
            for answer in (
                Answer(cls.said),
                Answer(cls.said, CUT),
                Answer(status=401, body=error),
                Answer(status=500, body=error),
            ):
                cls.upstream.script("secret", answer)
                cls.bodies.append(cls.server.chat(cls.words, system=cls.words, model=provider + "/secret").body)
                stream = cls.server.stream(cls.words, model=provider + "/secret")
                stream.finish()
                cls.bodies += [e.data.encode() for e in stream.events]
        for path in ("/metrics", "/openapi.json", "/sessions", "/healthz", "/readyz", "/nowhere?key=" + cls.words):
            cls.bodies.append(cls.server.get(path).body)
        cls.bodies.append(cls.server.request("POST", "/chat", {"message": 7, "session_id": "a b", cls.words: 1}).body)

    def test_the_key_went_upstream_so_that_a_leak_would_show(self):
        self.assertTrue(all(KEY in str(r.headers) for r in self.upstream.asked("secret")))

    def test_no_answer_holds_the_key(self):
        self.assertEqual([b for b in self.bodies if KEY.encode() in b], [])

    def test_no_log_line_holds_the_key_or_message_text(self):
        for secret in (KEY, self.words, self.said):
            self.assertEqual([line for line in self.server.log if secret in line and "/nowhere" not in line], [])

    def test_no_file_holds_the_key(self):
        for file in self.folder.glob("tertulia.db*"):
            self.assertNotIn(KEY.encode(), file.read_bytes(), file.name)

    def test_log_lines_are_json_objects_and_tell_of_each_turn(self):
        lines = [json.loads(line) for line in self.server.log]
        self.assertTrue(lines and all(isinstance(line, dict) for line in lines))
        text = self.server.log_text
        answer = self.server.chat("x", "logged-session").json
        with Connection(self.server.url) as c:
            c.request("GET", "/healthz")
        turn = [line for line in self.server.log[len(text.splitlines()) :] if answer["turn_id"] in line]
        self.assertTrue(turn, "no line about the turn")
        ended = next(line for line in map(json.loads, turn) if line["event"] == "turn ended")
        usage = {name: ended[name] for name in answer["usage"] if name.endswith("_tokens")}
        self.assertEqual(usage, {name: count for name, count in answer["usage"].items() if name.endswith("_tokens")})
        self.assertEqual((ended["session"], ended["provider"], ended["model"]), ("logged-session", "openai", answer["model"]))
        self.assertTrue(ended["request_id"].startswith("r_") and ended["seconds"] >= 0, ended)

    def test_no_error_shows_the_programs_inside(self):
        inside = re.compile(rb"std::|boost|\.cpp|\.h:\d|terminate called|0x[0-9a-f]{6,}|what\(\)|/src/|Traceback")
        self.assertEqual([b for b in self.bodies if b'"code"' in b and inside.search(b)], [])


if __name__ == "__main__":
    unittest.main()
