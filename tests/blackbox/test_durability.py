"""kill -9 under load: every acknowledged message is there after the restart, none twice, nothing half."""

import collections
import random
import threading
import unittest

from answers import Answer, Pause
from client import Closed
from fake_upstream import Gate
from harness import ServerCase, wait_for

CLIENTS, ROUNDS = 20, 6


class Client(threading.Thread):
    """Sends numbered messages to sessions of its own and notes what the server acknowledged."""

    def __init__(self, server, number, round_number, ledger):
        super().__init__(daemon=True)
        self.server, self.number, self.round, self.ledger = server, number, round_number, ledger

    def run(self):
        for i in range(100000):
            session, message = f"s{self.number}-{i % 3}", f"r{self.round} c{self.number} m{i}"
            self.ledger.sent.add((session, message))
            try:
                if (i + self.number) % 2:
                    response = self.server.chat(message, session, model="openai/load", timeout=20)
                    if response.status == 200:
                        self.ledger.answered[session].append((message, response.json["message"]))
                else:
                    stream = self.server.stream(message, session, model="anthropic/load", timeout=20)
                    stream.until("turn.started")
                    self.ledger.begun[session].append(message)
                    answer = stream.until("turn.completed").json
                    self.ledger.answered[session].append((message, answer["message"]))
                    stream.close()
            except (Closed, OSError, StopIteration):
                return  # the server is gone


class Ledger:
    """What was promised, over all rounds."""

    def __init__(self):
        self.sent, self.begun, self.answered = set(), collections.defaultdict(list), collections.defaultdict(list)


class KillTest(ServerCase):
    server_per_test = True

    def test_nothing_acknowledged_is_lost_and_nothing_comes_twice(self):
        chance, ledger = random.Random(20261125), Ledger()
        self.upstream.script("load", Answer("an ", Pause(0.01), "answer ", Pause(0.01), "in pieces"))
        for round_number in range(ROUNDS):
            server = self.start()
            self.addCleanup(server.kill)
            clients = [Client(server, i, round_number, ledger) for i in range(CLIENTS)]
            for client in clients:
                client.start()
            wanted = sum(map(len, ledger.answered.values())) + chance.randint(40, 160)
            wait_for(lambda: sum(map(len, ledger.answered.values())) >= wanted, "enough answers before the kill", 60)
            server.process.kill()
            server.wait()
            for client in clients:
                client.join(30)
            with self.subTest(round=round_number):
                self.check(ledger)
        self.assertGreater(sum(map(len, ledger.answered.values())), ROUNDS * 40)

    def check(self, ledger):
        server = self.start()
        self.addCleanup(server.kill)
        sessions = {session for session, _ in ledger.sent}
        for session in sorted(sessions):
            messages = server.history(session)
            self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2), session)
            users = [m["content"] for m in messages[::2]]
            self.assertEqual(len(users), len(set(users)), f"{session}: twice")
            self.assertLessEqual({(session, u) for u in users}, ledger.sent, session)
            self.assertLessEqual(set(ledger.begun[session]), set(users), f"{session}: a begun turn's message is lost")
            completed = {
                u["content"]: a["content"] for u, a in zip(messages[::2], messages[1::2]) if a["state"] == "completed"
            }
            self.assertEqual(
                {m: completed.get(m) for m, _ in ledger.answered[session]}, dict(ledger.answered[session]), session
            )
            for user, assistant in zip(messages[::2], messages[1::2]):
                self.assertIn(assistant["state"], ("completed", "interrupted"))
                self.assertEqual(assistant["turn_id"], user["turn_id"])
                if assistant["state"] == "completed":
                    self.assertEqual(assistant["content"], "an answer in pieces")
            if messages:
                self.assertIsNone(server.page(session).json["running"])
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
