"""kill -9 under load: every acknowledged message is there after the restart, none twice, nothing half."""

import random
import unittest

import load
from answers import Answer
from fake_upstream import Gate
from harness import ServerCase, wait_for

ROUNDS = 6


class KillTest(ServerCase):
    server_per_test = True

    def test_nothing_acknowledged_is_lost_and_nothing_comes_twice(self):
        chance, ledger = random.Random(20261125), load.Ledger()
        self.upstream.script("load", load.ANSWER)
        for round_number in range(ROUNDS):
            server = self.start()
            self.addCleanup(server.kill)
            clients = load.start_clients(server, ledger, round_number)
            wanted = ledger.count + chance.randint(40, 160)
            wait_for(lambda: ledger.count >= wanted, "enough answers before the kill", 60)
            server.process.kill()
            server.wait()
            for client in clients:
                client.join(30)
            with self.subTest(round=round_number):
                self.check(ledger)
        self.assertGreater(ledger.count, ROUNDS * 40)

    def check(self, ledger):
        server = self.start()
        self.addCleanup(server.kill)
        ledger.check(self, server)
        self.assertEqual(server.stop(), 0, server.log_text[-2000:])

    def test_a_turn_that_was_running_is_closed_as_interrupted_at_the_next_start(self):
        database, gate = self.folder / "interrupted.db", Gate()
        self.upstream.script("running", Answer("half an ", gate, "answer"), Answer("after"))
        server = self.start(database=database)
        stream = server.stream("the question", "i", model="openai/running")
        turn = stream.until("text.delta").id.rpartition(":")[0]
        server.process.kill()
        server.wait()
        server = self.running(database=database)
        user, assistant = server.history("i")
        self.assertEqual((user["content"], user["state"], user["turn_id"]), ("the question", "completed", turn))
        self.assertEqual((assistant["state"], assistant["turn_id"]), ("interrupted", turn))
        self.assertTrue("half an answer".startswith(assistant["content"]), assistant)
        answer = self.assert_answer(server.chat("next", "i", model="openai/running"), "after")
        self.assertEqual(answer["conversation_length"], 4)

    def test_a_session_survives_a_kill_between_turns(self):
        database = self.folder / "between.db"
        server = self.start(database=database)
        first = self.assert_answer(server.chat("My name is Ada.", "kept", model="anthropic/x", system="Be brief."))
        server.process.kill()
        server.wait()
        server = self.running(database=database)
        second = self.assert_answer(server.chat("Who am I?", "kept"), "[3] Who am I?")
        self.assertEqual((second["model"], second["conversation_length"]), ("anthropic/x", 4))
        self.assertGreater(second["timestamp"], first["timestamp"])
        self.assertEqual(self.upstream.asked("x")[-1].system, "Be brief.")


if __name__ == "__main__":
    unittest.main()
