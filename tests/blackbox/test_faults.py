"""The failure catalogue: what a client sees when a provider fails, and what is kept of it."""

import socket
import unittest

from answers import CUT, END, RESET, STALL, Answer, Pause, Raw
from harness import KEY, ServerCase

PROVIDERS = ("openai", "anthropic")
IN_BAND = {
    "openai": Raw(b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n'),
    "anthropic": Raw(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    ),
}
REJECTED = (400, 401, 403, 404, 413, 422, 451)
UNAVAILABLE = (408, 409, 429, 500, 502, 503, 504, 520, 529)


class FaultsTest(ServerCase):
    def failing(self, provider, answer, status, code, session=None):
        """The turn fails alike whole and streamed, and is stored as failed; the JSON answer."""
        self.upstream.script("failing", answer)
        stream = self.server.stream("q", model=provider + "/failing")
        self.assertEqual(stream.response.status, 200)
        terminal = stream.finish()
        self.assertEqual(terminal.name, "turn.failed", terminal.data)
        self.assert_error_body(terminal.json, code)
        self.assertEqual(stream.named("turn.completed"), [])
        self.upstream.script("failing", answer)
        response = self.server.chat("q", session, model=provider + "/failing")
        body = self.assert_error(response, status, code)
        for session_id, partial in ((body["session_id"], None), (terminal.json["session_id"], stream.text)):
            user, assistant = self.server.history(session_id)
            self.assertEqual((user["content"], assistant["state"]), ("q", "failed"))
            if partial is not None:
                self.assertEqual(assistant["content"], partial)
        return response

    def test_statuses(self):
        for provider in PROVIDERS:
            for theirs in REJECTED + UNAVAILABLE:
                with self.subTest(provider=provider, status=theirs):
                    expected = (502, "upstream_rejected") if theirs in REJECTED else (503, "upstream_unavailable")
                    body = {"type": "error", "error": {"type": "some_error", "message": "told by the provider"}}
                    self.failing(provider, Answer(status=theirs, body=body), *expected)

    def test_error_bodies_that_are_no_json(self):
        for kind, text in (("text/html", "<html><h1>520</h1></html>"), ("application/json", '{"cut'), ("none", "")):
            for provider in PROVIDERS:
                with self.subTest(kind, provider=provider):
                    self.failing(
                        provider, Answer(status=502, body=text, content_type=kind), 503, "upstream_unavailable"
                    )

    def test_retry_after_is_passed_on(self):
        for headers, expected in (({"retry-after": "2"}, "2"), ({"retry-after-ms": "1500"}, "2"), ({}, None)):
            with self.subTest(headers):
                answer = Answer(
                    status=429, headers=headers, body={"error": {"message": "slow down", "type": "requests"}}
                )
                response = self.failing("openai", answer, 503, "upstream_unavailable")
                self.assertEqual(response.headers.get("retry-after"), expected)

    def test_a_stream_that_does_not_reach_its_terminal_event_is_a_failure(self):
        cases = {
            "cut": Answer("par", "tial", CUT),
            "clean end": Answer("par", "tial", END),
            "reset": Answer("par", "tial", Pause(0.05), RESET),
            "closed": Answer("par", "tial", END, framing="close"),
            "cut before content": Answer(CUT, "x"),
            "ended before content": Answer(END, "x"),
        }
        for provider in PROVIDERS:
            for name, answer in cases.items():
                with self.subTest(name, provider=provider):
                    self.failing(provider, answer, 503, "upstream_unavailable")

    def test_a_message_stop_may_be_missing_where_a_stop_reason_came_and_the_body_is_whole(self):
        self.upstream.script("nearly", Answer("nearly", done=False))
        self.assert_answer(self.server.chat("x", model="anthropic/nearly"), "nearly")

    def test_whole_answers_that_are_cut_or_no_json(self):
        for provider in PROVIDERS:
            for name, answer in {
                "cut": Answer("x" * 50, CUT, shape="json"),
                "short": Answer("x" * 50, END, shape="json"),
                "rubbish": Answer(body="{]"),
                "empty object": Answer(body="{}"),
                "empty": Answer(body=""),
                "another type": Answer(body="<html>", content_type="text/html"),
            }.items():
                with self.subTest(name, provider=provider):
                    self.failing(provider, answer, 503, "upstream_unavailable")

    def test_malformed_events(self):
        for provider in PROVIDERS:
            for name, bad in {
                "no JSON": b"data: {]\n\n",
                "cut JSON": b'data: {"choices":[{"index"\n\n',
                "a list": b"data: []\n\n",
            }.items():
                with self.subTest(name, provider=provider):
                    event = bad if provider == "openai" else b"event: content_block_delta\n" + bad
                    self.failing(provider, Answer("before ", Raw(event), "after"), 503, "upstream_unavailable")

    def test_errors_in_band_after_http_200(self):
        for provider in PROVIDERS:
            for items in ((IN_BAND[provider],), ("par", "tial", IN_BAND[provider]), ("par", IN_BAND[provider], END)):
                with self.subTest(provider=provider, items=len(items)):
                    self.failing(provider, Answer(*items), 503, "upstream_unavailable")

    def test_no_answer_at_all(self):
        for provider in PROVIDERS:
            for name, fault in (("closed", CUT), ("reset", RESET)):
                with self.subTest(name, provider=provider):
                    self.failing(provider, Answer("x", before=[fault]), 503, "upstream_unavailable")

    def test_rubbish_instead_of_http(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        server = self.running(env={"OPENAI_BASE_URL": url}, database=self.folder / "rubbish.db")
        stream = server.stream("x")
        peer = listener.accept()[0]
        peer.recv(65536)
        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        peer.close()
        self.assert_error_body(stream.finish().json, "upstream_unavailable")

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = "http://127.0.0.1:%d" % taken.getsockname()[1]
        server = self.running(
            env={"OPENAI_BASE_URL": url, "ANTHROPIC_BASE_URL": "http://no-such-host.invalid"},
            database=self.folder / "nobody.db",
        )
        self.assert_error(server.chat("x"), 503, "upstream_unavailable")
        self.assert_error(server.chat("x", model="anthropic/x"), 503, "upstream_unavailable")

    def test_a_stale_kept_alive_connection_is_retried_once_on_a_fresh_one(self):
        server = self.running("--workers", "1", database=self.folder / "stale.db")
        self.assert_answer(server.chat("x", model="openai/stale"))
        self.upstream.close_reused, before = True, self.upstream.closed_reused
        self.addCleanup(setattr, self.upstream, "close_reused", False)
        for _ in range(3):
            self.assert_answer(server.chat("x", model="openai/stale"), "[1] x")
        self.assertGreater(self.upstream.closed_reused, before, "no kept-alive connection was used")

    def test_kept_alive_connections_are_used_again(self):
        server = self.running("--workers", "1", database=self.folder / "alive.db")
        for _ in range(5):
            self.assert_answer(server.chat("x", model="openai/alive"))
        self.assertEqual(len({r.connection for r in self.upstream.asked("alive")}), 1)

    def test_one_attempt_where_one_is_configured(self):
        self.upstream.script("once", Answer(status=500, body={}), Answer("second"))
        self.assert_error(self.server.chat("x", model="openai/once"), 503, "upstream_unavailable")
        self.assertEqual(len(self.upstream.asked("once")), 1)

    def test_what_a_provider_says_of_a_key_is_not_passed_on(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                error = {
                    "type": "error",
                    "error": {"type": "authentication_error", "message": "Incorrect API key: " + KEY},
                }
                self.upstream.script("leaky", Answer(status=401, body=error))
                self.assertNotIn(KEY.encode(), self.server.chat("x", model=provider + "/leaky").body)

    def test_a_failed_turn_with_text_is_shown_later_with_a_note_and_one_without_is_left_out(self):
        self.upstream.script("later", Answer("half an ans", CUT), Answer(before=[CUT]), Answer("whole"))
        self.assert_error(self.server.chat("first", "later", model="openai/later"), 503, "upstream_unavailable")
        self.assert_error(self.server.chat("second", "later", model="openai/later"), 503, "upstream_unavailable")
        self.assertEqual(
            self.assert_answer(self.server.chat("third", "later", model="openai/later"))["conversation_length"], 6
        )
        sent = self.upstream.asked("later")[-1].messages
        self.assertEqual([m for m in sent if m[0] == "user"], [("user", "first"), ("user", "third")])
        self.assertEqual([role for role, _ in sent], ["user", "assistant", "user"])
        self.assertTrue(sent[1][1].startswith("half an ans") and len(sent[1][1]) > len("half an ans"), sent)

    def test_a_failure_does_not_hurt_the_next_turn(self):
        for answer in (
            Answer("x", CUT),
            Answer("x", RESET),
            Answer(status=500, body={}),
            Answer(Raw(b"data: {]\n\n"), STALL),
        ):
            self.upstream.script("next", answer, Answer("fine"))
            self.server.chat("x", model="openai/next")
            self.assert_answer(self.server.chat("x", model="openai/next"), "fine")


if __name__ == "__main__":
    unittest.main()
