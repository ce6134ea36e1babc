"""What never shows, in all that a turn can go through: keys, tokens, the text of messages."""

import unittest
import uuid

from answers import CUT, STALL, Answer
from harness import KEY, ServerCase
from ws import Refused, WebSocket

TOKEN = "blackbox-token-0123456789abcdef"
BEARER = {"authorization": f"Bearer {TOKEN}"}


class TurnSecretsTest(ServerCase):
    config = {"api_token": TOKEN, "checkpoints": {"interval_ms": 20}}
    arguments = ("--log-level", "debug")
    server_per_test = True

    def test_it(self):
        words, said, idempotency = (f"{kind}-{uuid.uuid4()}" for kind in ("question", "answer", "key"))
        database = self.folder / "secrets.db"
        first = self.start(database=database)
        error = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
        self.upstream.script("s", Answer(said, CUT), Answer(status=401, body=error), Answer(said, STALL))
        keyed = BEARER | {"idempotency-key": idempotency}
        bodies = []
        failed = first.stream(words, "one", model="openai/s", headers=keyed)
        bodies += [str(failed.finish().json)]
        turn = failed.seen[0][2]["turn_id"]
        path = f"/sessions/one/turns/{turn}"
        for method, more in (
            ("POST", "/continue"),
            ("POST", "/cancel"),
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/nothing"),
        ):
            bodies.append(first.request(method, path + more, headers=BEARER).body.decode())
        stream = first.stream(words, "two", model="openai/s", headers=BEARER)
        stream.until("text.delta")
        with WebSocket(first.url, {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN}"}) as ws:
            ws.chat(words, "three", parent="not a time " + words)
            bodies.append(str(ws.next()))
            ws.send('{"broken": "' + words)
            bodies.append(str(ws.next()))
        with self.assertRaises(Refused):
            WebSocket(first.url, {"sec-websocket-protocol": f"tertulia, tertulia.token.{TOKEN}-wrong"})
        bodies.append(first.get("/metrics", headers=BEARER).body.decode())
        first.process.kill()
        first.wait()
        stream.close()
        second = self.running(database=database)
        bodies.append(second.request("POST", "/chat", {"message": words}, keyed).body.decode())
        for text in (KEY, TOKEN):
            self.assertEqual([b for b in bodies if text in b], [])
        for log in (first.log, second.log):
            self.assertTrue(log)
            for text in (KEY, TOKEN, words, said, idempotency):
                self.assertEqual([line for line in log if text in line], [])
        for file in self.folder.glob("secrets.db*"):
            for text in (KEY, TOKEN):
                self.assertNotIn(text.encode(), file.read_bytes(), file.name)

    def test_everything_needs_the_token(self):
        server = self.running(database=self.folder / "token.db")
        answer = server.chat("x", "t", headers=BEARER).json
        path = f"/sessions/t/turns/{answer['turn_id']}"
        for method, where in (
            ("GET", path),
            ("GET", path + "/events"),
            ("POST", path + "/cancel"),
            ("POST", path + "/continue"),
            ("GET", "/sessions/t/events"),
        ):
            for headers in ({}, {"authorization": "Bearer wrong"}):
                with self.subTest(where):
                    self.assert_error(server.request(method, where, headers=headers), 401, "unauthenticated")
        self.assertEqual(server.get("/").status, 200)  # the page, which asks for it


if __name__ == "__main__":
    unittest.main()
