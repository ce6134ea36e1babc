"""SIGTERM: new requests are refused, running turns finish within a limit, what is left is closed as interrupted."""

import signal
import unittest

import load
from answers import STALL, Answer
from client import Closed, Connection
from fake_upstream import Gate
from harness import ServerCase, wait_for

LIMIT_SECONDS = 20  # no stop takes longer than this


class StopTest(ServerCase):
    server_per_test = True
    config = {"shutdown": {"grace_ms": 4000}}

    def path(self):
        return self.folder / f"{self.id().rpartition('.')[2]}.db"

    def test_an_idle_server_ends_at_once_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                server = self.start(database=self.path())
                server.chat("x")
                server.process.send_signal(number)
                self.assertEqual(server.wait(10), 0, server.log_text)

    def test_idle_connections_do_not_hold_it_up(self):
        server = self.start(database=self.path())
        with Connection(server.url) as idle, Connection(server.url) as used, Connection(server.url) as half:
            used.request("GET", "/healthz")
            half.send(b"POST /chat HTTP/1.1\r\nhost: x\r\n")
            server.terminate()
            self.assertEqual(server.wait(10), 0, server.log_text)
            self.assertTrue(idle.closed_by_server())

    def test_a_running_turn_is_finished_and_stored(self):
        server, gate = self.start(database=self.path()), Gate()
        self.upstream.script("finishing", Answer("a", gate, "b"))
        stream = server.stream("x", "s", model="openai/finishing")
        stream.until("text.delta")
        server.terminate()
        self.wait_refusing(server)
        gate.open()
        self.assertEqual(stream.finish().json["message"], "ab")
        self.assertEqual(server.wait(LIMIT_SECONDS), 0, server.log_text)
        self.assertEqual([m["content"] for m in self.running(database=self.path()).history("s")], ["x", "ab"])

    def wait_refusing(self, server):
        """Until a new request is refused: no connection, a closed one, or 503."""

        def refused():
            try:
                response = server.get("/readyz", timeout=5)
            except (OSError, Closed):
                return True
            return response.status == 503

        wait_for(refused, "new requests to be refused")

    def test_new_turns_on_an_open_connection_are_refused(self):
        server, gate = self.start(database=self.path()), Gate()
        self.upstream.script("holding", Answer("a", gate, "b"))
        stream = server.stream("x", "s", model="openai/holding")
        stream.until("text.delta")
        with Connection(server.url) as c:
            c.request("GET", "/healthz")
            server.terminate()
            self.wait_refusing(server)
            try:
                self.assert_error(
                    c.request("POST", "/chat", {"message": "late", "session_id": "late"}), 503, "unavailable"
                )
            except (OSError, Closed):
                pass  # closed is refused too
        gate.open()
        stream.finish()
        self.assertEqual(server.wait(LIMIT_SECONDS), 0, server.log_text)
        self.assertEqual(self.running(database=self.path()).history("late"), [])

    def test_a_turn_that_does_not_end_is_closed_as_interrupted(self):
        server = self.start(database=self.path())
        self.upstream.script("endless", Answer("some text", STALL))
        stream = server.stream("x", "s", model="openai/endless", timeout=60)
        stream.until("text.delta")
        server.terminate()
        self.assertEqual(server.wait(LIMIT_SECONDS), 0, server.log_text)
        user, assistant = self.running(database=self.path()).history("s")
        self.assertEqual((user["content"], user["state"]), ("x", "completed"))
        self.assertEqual((assistant["content"], assistant["state"]), ("some text", "interrupted"))

    def test_under_load_nothing_acknowledged_is_lost(self):
        server, ledger = self.start(database=self.path()), load.Ledger()
        self.upstream.script("load", load.ANSWER)
        clients = load.start_clients(server, ledger)
        wait_for(lambda: ledger.count >= 60, "enough answers before the stop", 60)
        server.terminate()
        self.assertEqual(server.wait(LIMIT_SECONDS), 0, server.log_text[-2000:])
        for client in clients:
            client.join(30)
        ledger.check(self, self.running(database=self.path()))

    def test_a_second_signal_does_not_harm(self):
        server = self.start(database=self.path())
        server.chat("x", "s")
        server.terminate()
        server.terminate()
        self.assertIn(server.wait(LIMIT_SECONDS), (0, -signal.SIGTERM))
        self.assertEqual(len(self.running(database=self.path()).history("s")), 2)


if __name__ == "__main__":
    unittest.main()
