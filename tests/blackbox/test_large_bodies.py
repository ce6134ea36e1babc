"""Bodies beyond limits.body_bytes: only with a `content` that begins early, and only so many at once."""

import base64
import json
import unittest

from client import Connection
from fake_upstream import Held
from harness import ServerCase, wait_for

MEBIBYTE = 1 << 20


def image_of(size):
    data = base64.b64encode(b"\0" * size).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def body_of(size, model="openai/large", **members):
    """A body with a picture of so many bytes."""
    return json.dumps({"content": [image_of(size)], "model": model} | members).encode()


class LargeBodiesTest(ServerCase):
    def test_a_large_content_reaches_the_provider_whole_and_is_kept(self):
        size = 9 * MEBIBYTE
        for provider in ("openai", "anthropic"):
            with self.subTest(provider):
                body = body_of(size, f"{provider}/whole-{provider}", session_id=f"whole-{provider}")
                self.assert_answer(self.server.request("POST", "/chat", body, timeout=120))
                sent = json.dumps(self.upstream.asked(f"whole-{provider}")[-1].body)
                self.assertIn(image_of(size)["source"]["data"], sent)
                stored = self.server.history(f"whole-{provider}")[0]["blocks"]
                self.assertEqual(stored, [image_of(size)])

    def test_it_may_come_in_chunks(self):
        body = body_of(2 * MEBIBYTE)
        with Connection(self.server.url, timeout=60) as c:
            headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
            c.send(c.format("POST", "/chat", headers=headers))
            for at in range(0, len(body), 300_000):
                piece = body[at : at + 300_000]
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            c.send(b"0\r\n\r\n")
            self.assert_answer(c.read_response())

    def test_only_content_at_the_top_level_and_within_the_first_mebibyte_lets_it_in(self):
        filler = "x" * MEBIBYTE
        content = [{"type": "text", "text": "x"}]
        cases = {
            "a long message": {"message": filler + filler},
            "content too late": {"system": filler, "content": content},
            "content further down": {"metadata": {"content": "x"}, "message": filler + filler},
            "content as a value": {"model": "content", "message": filler + filler},
        }
        for name, body in cases.items():
            with self.subTest(name):
                self.assert_error(self.server.request("POST", "/chat", body), 413, "too_large", "1048576")

    def test_it_is_refused_where_it_cannot_be_let_in_without_being_read_to_its_end(self):
        with Connection(self.server.url) as c:
            head = {"content-type": "application/json", "content-length": str(30 * MEBIBYTE)}
            c.send(c.format("POST", "/chat", headers=head) + b'{"message":"' + b"x" * (MEBIBYTE + 1))
            self.assert_error(c.read_response(), 413, "too_large")

    def test_the_limit_of_content_holds_too(self):
        with Connection(self.server.url) as c:
            head = {"content-type": "application/json", "content-length": str(32 * MEBIBYTE + 1)}
            c.send(c.format("POST", "/chat", headers=head))
            self.assert_error(c.read_response(), 413, "too_large", str(32 * MEBIBYTE))

    def test_other_paths_keep_the_usual_limit(self):
        body = body_of(2 * MEBIBYTE)
        response = self.server.request("POST", "/sessions/s/turns/t/continue", body)
        self.assert_error(response, 413, "too_large")

    def test_a_large_body_that_is_malformed_is_refused_as_any_other(self):
        body = body_of(2 * MEBIBYTE)[:-1] + b"!"
        self.assert_error(self.server.request("POST", "/chat", body), 400, "invalid_request", "byte")


class CeilingTest(ServerCase):
    config = {"limits": {"content_memory_bytes": 5 * MEBIBYTE, "content_bytes": 4 * MEBIBYTE}}
    server_per_test = True

    def test_beyond_the_ceiling_it_is_503_and_what_was_taken_is_given_back(self):
        server = self.running()
        held = Held("a", "b")
        self.upstream.script("held", held.answer)
        large = body_of(2 * MEBIBYTE)  # 2.7 as base64
        with Connection(server.url, timeout=60) as c:
            c.send_request("POST", "/chat", body_of(2 * MEBIBYTE, "openai/held"))
            held.gates[0].wait_reached()  # the turn holds its body until the model answers
            response = server.request("POST", "/chat", large)
            self.assert_error(response, 503, "unavailable")
            self.assertGreater(int(response.headers["retry-after"]), 0)
            self.assert_answer(server.chat("a small one is not concerned"))
            held.next()
            wait_for(lambda: server.request("POST", "/chat", large).status == 200, "the memory given back")
            held.rest()
            self.assert_answer(c.read_response(), "ab")

    def test_a_client_that_leaves_gives_back_what_it_sent(self):
        server = self.running()
        large = body_of(2 * MEBIBYTE)
        for _ in range(4):
            with Connection(server.url) as c:
                c.send(c.format("POST", "/chat", large)[: 2 * MEBIBYTE])
        wait_for(lambda: b"\ntertulia_content_bytes 0\n" in server.get("/metrics").body, "nothing to be counted")
        wait_for(lambda: server.request("POST", "/chat", large).status == 200, "the memory given back")


if __name__ == "__main__":
    unittest.main()
