"""HTTP/1.1 read strictly: what cannot be understood in one way only is refused, and the connection closed."""

import json
import unittest

from client import Closed, Connection
from harness import ServerCase

BODY = b'{"message":"x"}'
CHUNKED = b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
POST = b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
AMBIGUOUS = {
    "two different lengths": POST + b"content-length: 15\r\ncontent-length: 16\r\n\r\n" + BODY,
    "the same length twice": POST + b"content-length: 15\r\ncontent-length: 15\r\n\r\n" + BODY,
    "a list of lengths": POST + b"content-length: 15, 15\r\n\r\n" + BODY,
    "length and chunks": CHUNKED + b"content-length: 15\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunks and length": POST
    + b"content-length: 15\r\ntransfer-encoding: chunked\r\n\r\nf\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "chunked not last": POST + b"transfer-encoding: chunked, identity\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "an unknown coding": POST + b"transfer-encoding: gzip\r\n\r\n" + BODY,
    "chunked with a tail": POST + b"transfer-encoding: xchunked\r\n\r\nf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n",
    "a length with a sign": POST + b"content-length: +15\r\n\r\n" + BODY,
    "a hexadecimal length": POST + b"content-length: 0xf\r\n\r\n" + BODY,
    "a length that overflows": POST + b"content-length: 18446744073709551631\r\n\r\n" + BODY,
    "an empty length": POST + b"content-length:\r\n\r\n" + BODY,
    "bare LF": b"GET /healthz HTTP/1.1\nhost: localhost\n\n",
    "bare LF after one header": b"GET /healthz HTTP/1.1\r\nhost: localhost\nx: y\r\n\r\n",
    "bare CR in a value": GET + b"x: a\rb\r\n\r\n",
    "NUL in a value": GET + b"x: a\0b\r\n\r\n",
    "a folded header": GET + b"x: a\r\n b\r\n\r\n",
    "a blank before the colon": POST + b"content-length : 15\r\n\r\n" + BODY,
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "an empty header name": GET + b": x\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"host: localhost\r\n\r\n",
    "a blank in the path": b"GET /health z HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "another version": b"GET /healthz HTTP/3.7\r\nhost: localhost\r\n\r\n",
    "rubbish": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "oversized headers": GET + b"x: " + b"y" * 100000 + b"\r\n\r\n",
    "very many headers": GET + b"".join(b"x%d: y\r\n" % i for i in range(20000)) + b"\r\n",
    "an oversized path": b"GET /" + b"y" * 100000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
}
BAD_CHUNKS = {
    "no number": b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n\r\n",
    "a size with 0x": b"0xf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a size that overflows": b"f0000000000000000\r\n" + BODY + b"\r\n0\r\n\r\n",
    "an empty size": b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "too much data": b"e\r\n" + BODY + b"\r\n0\r\n\r\n",
    "bare LF after the size": b"f\n" + BODY + b"\r\n0\r\n\r\n",
    "bare LF after the data": b"f\r\n" + BODY + b"\n0\r\n\r\n",
    "an endless extension": b"f;" + b"x" * 200000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
}


class HttpTest(ServerCase):
    store = "memory"

    def connect(self, timeout=10):
        connection = Connection(self.server.url, timeout)
        self.addCleanup(connection.close)
        return connection

    def assert_refused(self, raw):
        """A 4xx, 501 or 505 with the documented body at most, and then the connection is closed."""
        c = self.connect()
        try:
            c.send(raw)
            response = c.read_response()
        except (Closed, ConnectionError):
            return  # closed without a word
        except TimeoutError:
            self.fail("neither an answer nor the end of the connection")
        self.assertTrue(400 <= response.status < 500 or response.status in (501, 505), response)
        self.assertIn("code", response.json)
        self.assertTrue(c.closed_by_server(), "the connection is still open")
        self.assertNotIn(b"HTTP/1.1", c.rest, "something after the refusal was answered")

    def test_what_is_ambiguous_is_refused(self):
        for name, raw in AMBIGUOUS.items():
            with self.subTest(name):
                self.assert_refused(raw + GET + b"\r\n")  # a smuggled request would be answered

    def test_bad_chunks_are_refused(self):
        for name, raw in BAD_CHUNKS.items():
            with self.subTest(name):
                self.assert_refused(CHUNKED + b"\r\n" + raw + GET + b"\r\n")

    def test_nothing_of_a_refused_request_was_done(self):
        self.assert_refused(
            POST + b"content-length: 40\r\ncontent-length: 39\r\n\r\n" + b'{"message":"x","session_id":"smuggled"}'
        )
        self.assertEqual(self.server.page("smuggled").status, 404)

    def test_chunked_bodies_are_read_however_they_are_cut(self):
        for size in (1, 2, 5, 15):
            with self.subTest(size=size):
                parts = [BODY[i : i + size] for i in range(0, len(BODY), size)]
                c = self.connect()
                for piece in [
                    CHUNKED + b"\r\n",
                    *(b"%x;ext=1\r\n%s\r\n" % (len(p), p) for p in parts),
                    b"0\r\n",
                    b"\r\n",
                ]:
                    c.send(piece)
                self.assert_answer(c.read_response(), "[1] x")

    def test_a_request_that_comes_byte_by_byte_is_read(self):
        c = self.connect()
        for byte in POST + b"content-length: 15\r\n\r\n" + BODY:
            c.send(bytes([byte]))
        self.assert_answer(c.read_response(), "[1] x")

    def test_names_and_codings_are_read_without_regard_to_case(self):
        c = self.connect()
        c.send(
            b"POST /chat HTTP/1.1\r\nHOST: localhost\r\nContent-TYPE: application/json\r\n"
            b"Transfer-Encoding: Chunked\r\n\r\n"
            b"F\r\n" + BODY + b"\r\n0\r\n\r\n"
        )
        self.assert_answer(c.read_response(), "[1] x")

    def test_pipelined_requests_are_answered_in_order(self):
        c = self.connect()
        messages = [f"pipelined {i}" for i in range(5)]
        requests = [c.format("POST", "/chat", {"message": m}) for m in messages]
        c.send(b"".join(requests) + c.format("GET", "/nowhere") + c.format("GET", "/healthz"))
        self.assertEqual(
            [self.assert_answer(c.read_response())["message"] for _ in messages], ["[1] " + m for m in messages]
        )
        self.assertEqual([c.read_response().status, c.read_response().status], [404, 200])

    def test_a_connection_is_kept_and_closed_as_asked(self):
        c = self.connect()
        for _ in range(3):
            self.assertEqual(c.request("GET", "/healthz").status, 200)
        self.assertEqual(c.request("GET", "/healthz", headers={"connection": "close"}).status, 200)
        self.assertTrue(c.closed_by_server())

    def test_an_error_keeps_the_connection_where_the_framing_is_clear(self):
        c = self.connect()
        self.assertEqual(c.request("POST", "/chat", {}).status, 400)
        self.assertEqual(c.request("GET", "/nowhere").status, 404)
        self.assertEqual(c.request("GET", "/healthz").status, 200)

    def test_http_1_0_is_answered_and_closed(self):
        c = self.connect()
        c.send(b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n")
        response = c.read_response()
        self.assertEqual(response.status, 200)
        self.assertNotIn("transfer-encoding", response.headers)
        self.assertTrue(c.closed_by_server())

    def test_a_stream_for_http_1_0_has_no_chunks(self):
        c = self.connect()
        body = b'{"message":"x","stream":true}'
        c.send(
            b"POST /chat HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        response = c.read_head()
        self.assertNotIn("transfer-encoding", response.headers)
        self.assertEqual(list(c.events(response))[-1].name, "turn.completed")

    def test_head_has_the_headers_and_no_body(self):
        c = self.connect()
        self.assertEqual(c.request("HEAD", "/healthz").status, 200)
        self.assertEqual(c.request("GET", "/healthz").status, 200)  # no stray body in between

    def test_head_of_a_stream_is_its_head(self):
        turn = self.server.chat("x", "headed").json["turn_id"]
        c = self.connect()
        for path in ("/sessions/headed/events", f"/sessions/headed/turns/{turn}/events"):
            response = c.request("HEAD", path)
            self.assertEqual((response.status, response.headers["content-type"]), (200, "text/event-stream"))
            self.assertEqual(c.request("GET", "/healthz").status, 200)

    def test_a_body_is_invited_by_100_continue(self):
        c = self.connect()
        head = {"content-type": "application/json", "content-length": "15", "expect": "100-continue"}
        c.send(c.format("POST", "/chat", headers=head))
        self.assertEqual(c.read_head().status, 100)
        c.send(BODY)
        self.assert_answer(c.read_response(), "[1] x")

    def test_a_body_that_is_too_large_is_not_invited(self):
        c = self.connect()
        head = {"content-type": "application/json", "content-length": "99999999", "expect": "100-continue"}
        c.send(c.format("POST", "/chat", headers=head))
        self.assertEqual(c.read_head().status, 413)

    def test_an_unknown_expectation_is_refused(self):
        c = self.connect()
        c.send(c.format("POST", "/chat", BODY, {"expect": "miracles"}))
        self.assertEqual(c.read_response().status, 417)

    def test_a_query_and_an_absolute_target_are_understood(self):
        c = self.connect()
        self.assertEqual(c.request("GET", "/healthz?x=y").status, 200)
        c.send(f"GET http://{c.authority}/healthz HTTP/1.1\r\nhost: {c.authority}\r\n\r\n".encode())
        self.assertIn(c.read_response().status, (200, 400))

    def test_header_injection_through_the_session_id_is_impossible(self):
        response = self.server.chat("x", "a\r\nx-injected: 1")
        self.assertEqual(response.status, 400)
        self.assertNotIn("x-injected", response.headers)

    def test_every_answer_says_its_type_and_length(self):
        for method, path in (
            ("GET", "/healthz"),
            ("GET", "/nowhere"),
            ("PUT", "/chat"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
        ):
            response = self.server.request(method, path)
            self.assertEqual(int(response.headers["content-length"]), len(response.body), path)
            self.assertIn("content-type", response.headers)

    def test_the_server_still_works_after_all_this(self):
        for name, raw in list(AMBIGUOUS.items())[:10]:
            c = self.connect()
            c.send(raw[: len(raw) // 2])
            c.close()
        self.assertEqual(json.loads(self.server.chat("still here").body)["message"], "[1] still here")


if __name__ == "__main__":
    unittest.main()
