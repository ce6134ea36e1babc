"""Many clients at one session: every policy, some leave, some cancel; and whether its history is what they were told."""

import concurrent.futures
import random
import threading

from answers import Answer, Pause
from client import Closed, Connection, Response

POLICIES = ("queue", "reject", "interrupt")
ANSWER = Answer("one ", Pause(0.002), "two ", Pause(0.002), "three")  # for the model `hammered`


class Hammer:
    """`strike()` runs all clients to their end; `check()` compares the session with what they were told."""

    def __init__(self, case, server, session, clients, messages):
        self.case, self.server, self.session = case, server, session
        self.clients, self.messages = clients, messages
        self.told, self.lock = [], threading.Lock()

    def strike(self):
        with concurrent.futures.ThreadPoolExecutor(self.clients) as pool:
            for future in [pool.submit(self.act, i) for i in range(self.clients)]:
                future.result()

    def act(self, number):
        chance = random.Random(number)
        for i in range(self.messages):
            message = f"client {number}, message {i}"
            fields = {"on_busy": chance.choice(POLICIES), "model": "openai/hammered"}
            kind = chance.random()
            if kind < 0.4:
                response = self.server.chat(message, self.session, timeout=90, **fields)
                self.note(message, response.status, response.json)
            elif kind < 0.8:
                self.stream(message, fields, cancel=kind > 0.7)
            else:
                self.leave(message, fields, chance)

    def note(self, message, status, body):
        with self.lock:
            self.told.append((message, status, body))

    def stream(self, message, fields, cancel):
        stream = self.server.stream(message, self.session, timeout=90, **fields)
        if isinstance(stream, Response):
            self.note(message, stream.status, stream.json)
            return
        if cancel:
            self.server.cancel(self.session, stream.next().json["turn_id"])
        end = stream.finish()
        stream.close()
        self.note(message, 200 if end.name == "turn.completed" else 409, end.json)

    def leave(self, message, fields, chance):
        with Connection(self.server.url) as c:
            policy = chance.choice(("cancel", "finish"))
            body = {"message": message, "session_id": self.session, "on_disconnect": policy}
            c.send_request("POST", "/chat", body | fields)
            c.socket.settimeout(chance.choice((0.001, 0.05)))
            try:
                c.receive()
            except (TimeoutError, Closed):
                pass

    def check(self):
        messages, case = self.server.wait_idle(self.session, 90), self.case
        case.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
        case.assertEqual([m["turn_id"] for m in messages[::2]], [m["turn_id"] for m in messages[1::2]])
        stamps = [m["timestamp"] for m in messages]
        case.assertEqual(stamps, sorted(set(stamps)))
        users = [m["content"] for m in messages[::2]]
        case.assertEqual(len(users), len(set(users)), "twice")
        stored = {user["content"]: answer for user, answer in zip(messages[::2], messages[1::2])}
        for message, status, body in self.told:
            answer = stored.get(message)
            if status == 200:
                case.assertEqual((answer["content"], answer["state"]), (body["message"], "completed"))
            else:
                case.assertEqual((status, body["code"]), (409, "conflict"), body)
                if answer:  # interrupted or cancelled while it ran; else it never began
                    case.assertEqual((answer["state"], answer["content"]), ("cancelled", body["partial"]))
        for answer in messages[1::2]:
            case.assertIn(answer["state"], ("completed", "cancelled"))
            case.assertTrue(ANSWER.text.startswith(answer["content"]))
            if answer["state"] == "completed":
                case.assertEqual(answer["content"], ANSWER.text)
        return messages
