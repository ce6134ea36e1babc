"""/ws: the handshake, and who may connect: hosts, origins, tokens."""

import unittest

from client import Connection
from websocket_case import WebSocketCase
from ws import TEXT, Refused, WebSocket, upgrade_headers

TOKEN = "blackbox-token-0123456789abcdef"
PING_TEXT = b'{"type":"ping"}'


class HandshakeTest(WebSocketCase):
    def test_what_is_no_handshake(self):
        for name, headers, statuses in (
            ("no upgrade", {"upgrade": None, "connection": None}, (400, 426)),
            ("another upgrade", {"upgrade": "h2c"}, (400, 426)),
            ("no connection", {"connection": "keep-alive"}, (400, 426)),
            ("no key", {"sec-websocket-key": None}, (400,)),
            ("a short key", {"sec-websocket-key": "c2hvcnQ="}, (400,)),
            ("a key that is no base64", {"sec-websocket-key": "!" * 24}, (400,)),
            ("no version", {"sec-websocket-version": None}, (400, 426)),
            ("an old version", {"sec-websocket-version": "8"}, (400, 426)),
            ("a later version", {"sec-websocket-version": "14"}, (400, 426)),
        ):
            with self.subTest(name):
                response = self.server.get("/ws", headers=upgrade_headers() | headers)
                self.assertIn(response.status, statuses, response.body)
                self.assert_error_body(response.json, "invalid_request")
                if "version" in name and response.status == 426:
                    self.assertEqual(response.headers["sec-websocket-version"], "13")
        response = self.server.request("POST", "/ws", {}, upgrade_headers())
        self.assertIn(response.status, (400, 405))

    def test_as_clients_write_it(self):
        for headers in (
            {"connection": "keep-alive, Upgrade"},
            {"connection": "upgrade"},
            {"upgrade": "WebSocket"},
            {"sec-websocket-extensions": "permessage-deflate; client_max_window_bits"},
            {"sec-websocket-protocol": "chat, superchat"},
        ):
            with self.subTest(**headers):
                ws = self.socket(headers=headers)
                self.assertNotIn("sec-websocket-extensions", ws.response.headers)
                self.assertNotIn("sec-websocket-protocol", ws.response.headers)
                self.assert_alive(ws)

    def test_the_subprotocol_is_chosen(self):
        for offered in ("tertulia", "other, tertulia", "tertulia, tertulia.token.anything"):
            ws = self.socket(headers={"sec-websocket-protocol": offered})
            self.assertEqual(ws.response.headers["sec-websocket-protocol"], "tertulia")

    def test_frames_that_come_with_the_handshake_are_read(self):
        with Connection(self.server.url) as c:
            c.send(c.format("GET", "/ws", headers=upgrade_headers()) + WebSocket.encode(TEXT, PING_TEXT))
            self.assertEqual(c.read_head().status, 101)
            self.assertIn(b'"pong"', c.take(2 + c.take(2)[1] - 2))

    def test_origins(self):
        host = self.server.url.removeprefix("http://")
        for origin, welcome in (
            (None, True),
            ("http://" + host, True),
            ("https://evil.example", False),
            ("http://127.0.0.1:1", False),
            ("http://" + host + ".evil.example", False),
            ("http://evil.example/" + host, False),
            ("null", False),
            ("", False),
            ("file://", False),
        ):
            with self.subTest(origin):
                headers = {} if origin is None else {"origin": origin}
                if welcome:
                    self.assert_alive(self.socket(headers=headers))
                else:
                    response = self.refused(headers=headers)
                    self.assertEqual(response.status, 403, response.body)
                    self.assert_error_body(response.json, "forbidden")

    def test_a_host_that_is_not_loopback_is_forbidden(self):
        self.assertEqual(self.refused(headers={"host": "evil.example"}).status, 403)

    def test_a_configured_origin_is_allowed(self):
        server = self.running(config={"cors_origins": ["https://app.example"]}, database=self.folder / "origins.db")
        with WebSocket(server.url, {"origin": "https://app.example"}) as ws:
            self.assert_alive(ws)
        with self.assertRaises(Refused):
            WebSocket(server.url, {"origin": "https://app.example.evil.example"})


class TokenTest(WebSocketCase):
    config = {"api_token": TOKEN}

    def test_it_is_taken_as_header_and_as_subprotocol(self):
        for headers in (
            {"authorization": f"Bearer {TOKEN}"},
            {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN}"},
            {"sec-websocket-protocol": f"tertulia.token.{TOKEN},tertulia"},
            {"sec-websocket-protocol": f"{TOKEN}, tertulia"},
        ):
            with self.subTest(**headers):
                ws = self.socket(headers=headers)
                self.assert_alive(ws)
                chosen = ws.response.headers.get("sec-websocket-protocol")
                self.assertEqual(chosen, None if "authorization" in headers else "tertulia")
        for alone in (TOKEN, f"tertulia.token.{TOKEN}"):
            with self.subTest(alone=alone):
                ws = self.socket(headers={"sec-websocket-protocol": alone})
                self.assert_alive(ws)
                self.assertEqual(ws.response.headers.get("sec-websocket-protocol"), alone)
        self.assertNotIn(TOKEN, self.server.log_text)

    def test_without_the_right_one_nothing_is_opened(self):
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"sec-websocket-protocol": "tertulia"},
            {"sec-websocket-protocol": f"tertulia, {TOKEN}x"},
            {"sec-websocket-protocol": "tertulia, tertulia.token."},
            {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN}x"},
            {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN[:-1]}"},
        ):
            with self.subTest(**headers):
                response = self.refused(headers=headers)
                self.assertEqual(response.status, 401)
                self.assertNotIn(TOKEN.encode(), response.body)
        self.assertNotIn(TOKEN, self.server.log_text)

    def test_a_subprotocol_is_no_token_elsewhere(self):
        headers = {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN}, {TOKEN}"}
        self.assertEqual(self.server.get("/sessions", headers=headers).status, 401)


if __name__ == "__main__":
    unittest.main()
