"""SIGTERM with everything going on: every stream is told its end, nothing hangs, and the next server knows it all."""

import threading
import unittest

from answers import STALL, Answer
from client import Closed, Response
from harness import ServerCase
from ws import WebSocket

LIMIT_SECONDS = 20


class TurnStopTest(ServerCase):
    server_per_test = True
    config = {"shutdown": {"grace_ms": 700}, "limits": {"heartbeat_ms": 200}}

    def test_all_kinds_of_clients_at_once(self):
        database = self.folder / "all.db"
        server = self.start(database=database)
        self.upstream.script("endless", Answer("some ", "text", STALL))
        running = server.stream("one", "s", model="openai/endless", timeout=40)
        turn = running.next().json["turn_id"]
        running.until("text.delta"), running.until("text.delta")
        queued = server.stream("two", "s", model="openai/never", timeout=40)
        second = queued.next().json["turn_id"]
        other, feed = server.events("s", turn, timeout=40), server.feed("s", timeout=40)
        socket = WebSocket(server.url, timeout=40)
        self.addCleanup(socket.drop)
        socket.send({"type": "subscribe", "session_id": "s"})
        socket.until("text.delta")
        answers = []
        waiter = threading.Thread(
            target=lambda: answers.append(server.chat("x", "w", model="openai/endless", timeout=40))
        )
        waiter.start()
        while not self.upstream.asked("endless")[1:]:
            server.get("/healthz")
        server.terminate()
        self.assertEqual(running.finish().name, "turn.interrupted")
        self.assertEqual(running.text, "some text")
        self.assertIn(queued.finish().name, ("turn.failed", "turn.cancelled", "turn.interrupted"))
        self.assertEqual(other.finish().name, "turn.interrupted")
        self.assertEqual(other.seen, running.seen)
        try:
            feed.until("turn.interrupted")
            feed.finish()
        except (Closed, StopIteration):
            pass  # a feed has no end of its own
        self.assertEqual(socket.closed(), 1001)
        waiter.join(20)
        self.assertIsInstance(answers[0], Response)
        self.assertGreaterEqual(answers[0].status, 500)
        self.assert_error_body(answers[0].json, answers[0].json["code"])
        self.assertEqual(server.wait(LIMIT_SECONDS), 0, server.log_text)
        self.check_next(database, turn, second, running)

    def check_next(self, database, turn, second, running):
        server = self.running(database=database)
        self.assertEqual(
            [(m["content"], m["state"]) for m in server.history("s")],
            [("one", "completed"), ("some text", "interrupted")],
        )
        self.assertEqual(server.turn("s", turn).json["state"], "interrupted")
        self.assertEqual(server.turn("s", second).status, 404, "it was never part of the session")
        reader = server.events("s", turn)
        reader.finish()
        self.assertEqual(reader.seen, running.seen)
        self.assertEqual(self.upstream.asked("never"), [])
        whole = self.assert_answer(server.go_on("s", turn, model="openai/echo"))
        self.assertTrue(whole["message"].startswith("some text"))


if __name__ == "__main__":
    unittest.main()
