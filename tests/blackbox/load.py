"""Clients that send without pause and note what was acknowledged; and the comparison with what is stored."""

import collections
import threading

from answers import Answer, Pause
from client import Closed, Response

CLIENTS = 20
ANSWER = Answer("an ", Pause(0.01), "answer ", Pause(0.01), "in pieces")  # for the model `load`


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
                    if isinstance(stream, Response):
                        continue  # refused: it is about to stop
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

    @property
    def count(self):
        return sum(map(len, list(self.answered.values())))

    def check(self, case, server):
        """Every promise holds in this server's store: nothing lost, nothing twice, nothing half shown as whole."""
        for session in sorted({session for session, _ in self.sent}):
            messages = server.history(session)
            case.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2), session)
            pairs = list(zip(messages[::2], messages[1::2]))
            users = [user["content"] for user, _ in pairs]
            case.assertEqual(len(users), len(set(users)), f"{session}: twice")
            case.assertLessEqual({(session, u) for u in users}, self.sent, session)
            case.assertLessEqual(set(self.begun[session]), set(users), f"{session}: a begun turn's message is lost")
            completed = {u["content"]: a["content"] for u, a in pairs if a["state"] == "completed"}
            promised = dict(self.answered[session])
            case.assertEqual({message: completed.get(message) for message in promised}, promised, session)
            for user, assistant in pairs:
                case.assertIn(assistant["state"], ("completed", "interrupted"))
                case.assertEqual(assistant["turn_id"], user["turn_id"])
                if assistant["state"] == "completed":
                    case.assertEqual(assistant["content"], ANSWER.text)
            if messages:
                case.assertIsNone(server.page(session).json["running"])


def start_clients(server, ledger, round_number=0):
    clients = [Client(server, i, round_number, ledger) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    return clients
