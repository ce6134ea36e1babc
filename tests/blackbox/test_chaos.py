"""Everything at once: failing providers, clients that leave, deletions. Nothing may mix, hang or leak."""

import os
import random
import threading
import time
import unittest

from answers import CUT, END, RESET, STALL, Answer, Pause, Raw, Thinking
from client import Closed, Connection
from harness import ServerCase, raise_open_file_limit, wait_for

SECONDS, CLIENTS = 8, 24
ANSWERS = [
    Answer("fine ", "and whole"),
    Answer(Thinking("hm"), "slow ", Pause(0.05), "answer"),
    Answer("a ", "b", shape="json"),
    Answer("part", CUT),
    Answer("part", END),
    Answer("part", Pause(0.02), RESET),
    Answer("part", STALL),
    Answer(Raw(b"data: {]\n\n")),
    Answer(status=500, body={}),
    Answer(status=429, headers={"retry-after": "1"}, body={}),
    Answer(before=[RESET]),
    Answer("packed", gzip=True),
    Answer("x" * 3000, framing="close"),
]
SHORT = {"first_token_ms": 700, "between_tokens_ms": 500, "turn_ms": 3000}


class Actor(threading.Thread):
    """One client that does something else each time."""

    def __init__(self, server, number, end):
        super().__init__(daemon=True)
        self.server, self.end, self.chance = server, end, random.Random(number)
        self.statuses, self.problem = set(), None

    def run(self):
        try:
            while time.monotonic() < self.end:
                self.act()
        except (Closed, OSError) as problem:  # the server may refuse, but never hang up or fall silent
            self.problem = repr(problem)

    def act(self):
        session, chance = f"chaos-{self.chance.randrange(12)}", self.chance
        body = {"message": "hello", "session_id": session, "model": chance.choice(("openai", "anthropic")) + "/chaos"}
        kind = chance.random()
        if kind < 0.35:
            self.statuses.add(self.server.request("POST", "/chat", body).status)
        elif kind < 0.65:
            stream = self.server.stream(body.pop("message"), **{"session": body.pop("session_id")}, **body)
            if hasattr(stream, "finish"):
                assert stream.finish() is not None, "a stream without its end"
                stream.close()
        elif kind < 0.85:  # leaves at some moment
            with Connection(self.server.url) as c:
                c.send_request("POST", "/chat", body | {"stream": chance.random() < 0.5})
                c.socket.settimeout(chance.choice((0.001, 0.02, 0.2)))
                try:
                    c.receive()
                except TimeoutError:
                    pass
        elif kind < 0.92:
            self.statuses.add(self.server.request("DELETE", f"/sessions/{session}").status)
        else:
            self.statuses.add(self.server.page(session).status)


class ChaosTest(ServerCase):
    config = {"deadlines": SHORT}

    @classmethod
    def setUpClass(cls):
        raise_open_file_limit()
        super().setUpClass()

    def open_files(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def test_it_stays_sound(self):
        chance = random.Random(7)
        self.upstream.script("chaos", *(chance.choice(ANSWERS) for _ in range(5000)))
        self.assert_answer(self.server.chat("warm"))
        before, end = self.open_files(), time.monotonic() + SECONDS
        actors = [Actor(self.server, i, end) for i in range(CLIENTS)]
        for actor in actors:
            actor.start()
        for actor in actors:
            actor.join(SECONDS + 60)
        self.assertEqual([a.problem for a in actors if a.problem or a.is_alive()], [])
        self.assertLessEqual(set().union(*(a.statuses for a in actors)), {200, 204, 404, 409, 503, 504})
        for session in (f"chaos-{i}" for i in range(12)):
            wait_for(lambda: self.server.page(session).json.get("running") is None, "the end of all turns", 40)
            messages = self.server.history(session)
            self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
            self.assertEqual([m["turn_id"] for m in messages[::2]], [m["turn_id"] for m in messages[1::2]])
            stamps = [m["timestamp"] for m in messages]
            self.assertEqual(stamps, sorted(set(stamps)))
        self.upstream.script("chaos")
        self.assert_answer(self.server.chat("calm again", "calm"), "[1] calm again")
        # kept-alive connections to the upstream may stay; what was left hanging may not
        wait_for(lambda: self.open_files() <= before + 64, "connections to be closed")


if __name__ == "__main__":
    unittest.main()
