"""Everything that can be done to turns at once: every reader of a turn sees the same, and all of it comes to an end."""

import random
import threading
import time
import unittest

import prometheus_text
from answers import CUT, END, RESET, STALL, Answer, Pause, Thinking
from client import Closed, Connection, Response
from harness import ENDED, ServerCase, raise_open_file_limit, turn_path, wait_for
from ws import WebSocket

SECONDS, ACTORS, SESSIONS = 7, 24, 6
ANSWERS = [
    *[Answer("fine ", "and ", "whole")] * 3,
    Answer(Thinking("hm"), "slow ", Pause(0.05), "answer"),
    Answer("many ", *(f"{i} " for i in range(60))),
    Answer("part", CUT),
    Answer("part", END),
    Answer("part ", Pause(0.02), RESET),
    Answer("part ", STALL),
    Answer(status=500, body={}),
    Answer(before=[RESET]),
    Answer(before=[STALL]),
]


class Ledger:
    """What was seen of every event, by whomever."""

    def __init__(self):
        self.lock, self.events, self.last, self.problems = threading.Lock(), {}, {}, []

    def note(self, session, events):
        with self.lock:
            for id_, name, data in events:
                if self.events.setdefault(id_, (name, data)) != (name, data):
                    self.problems.append((id_, name, data, self.events[id_]))
                self.last[session, id_.rpartition(":")[0]] = id_

    def some(self, chance):
        """(session, turn, the last id that somebody saw of it), or None."""
        with self.lock:
            if not self.last:
                return None
            (session, turn), id_ = chance.choice(list(self.last.items()))
            return session, turn, id_


class Actor(threading.Thread):
    """Does something else each time."""

    def __init__(self, server, ledger, number, end):
        super().__init__(daemon=True)
        self.server, self.ledger, self.end = server, ledger, end
        self.chance, self.statuses, self.problem = random.Random(number), set(), None

    def run(self):
        acts = [
            self.chat,
            self.stream,
            self.stream,
            self.leave,
            self.resume,
            self.cancel,
            self.go_on,
            self.feed,
            self.socket,
        ]
        weights = [4, 4, 4, 2, 4, 2, 2, 2, 2]
        try:
            while time.monotonic() < self.end:
                self.chance.choices(acts, weights)[0]()
                if self.chance.random() < 0.01:
                    self.statuses.add(self.server.request("DELETE", f"/sessions/{self.session()}").status)
        except (Closed, OSError, AssertionError, KeyError) as problem:
            self.problem = repr(problem)

    def session(self):
        return f"chaos-{self.chance.randrange(SESSIONS)}"

    def body(self):
        return {
            "message": "hello",
            "session_id": self.session(),
            "model": self.chance.choice(("openai", "anthropic")) + "/chaos",
            "on_busy": self.chance.choice(("queue", "queue", "reject", "interrupt")),
            "on_disconnect": self.chance.choice(("finish", "cancel")),
        }

    def headers(self):
        number = self.chance.randrange(12)
        return {"idempotency-key": f"key{number}"} if self.chance.random() < 0.2 else {}

    def chat(self):
        headers = self.headers() | ({"prefer": "respond-async"} if self.chance.random() < 0.2 else {})
        self.statuses.add(self.server.request("POST", "/chat", self.body(), headers).status)

    def read(self, session, stream, parts=None):
        """Reads to the end, or leaves after so many events."""
        if isinstance(stream, Response):
            self.statuses.add(stream.status)
            return
        if parts is None:
            assert stream.finish() is not None, (
                f"a stream without its end: {stream.response.header_list} {stream.events}"
            )
        else:
            for _ in range(parts):
                if stream.next().name.startswith("turn.") and len(stream.events) > 1:
                    break
        self.ledger.note(session, stream.seen)
        stream.close()

    def stream(self):
        body = self.body()
        message, session = body.pop("message"), body.pop("session_id")
        stream = self.server.stream(message, session, headers=self.headers(), **body)
        self.read(session, stream, self.chance.choice((None, None, 1, 2)))

    def leave(self):
        with Connection(self.server.url) as c:
            c.send_request("POST", "/chat", self.body() | {"stream": self.chance.random() < 0.5})
            c.socket.settimeout(self.chance.choice((0.001, 0.02, 0.2)))
            try:
                c.receive()
            except TimeoutError:
                pass

    def resume(self):
        if some := self.ledger.some(self.chance):
            session, turn, seen = some
            self.read(session, self.server.events(session, turn, self.chance.choice((None, seen))))

    def cancel(self):
        if some := self.ledger.some(self.chance):
            self.statuses.add(self.server.cancel(*some[:2]).status)

    def go_on(self):
        if some := self.ledger.some(self.chance):
            self.read(some[0], self.server.go_on(*some[:2], stream=True))

    def feed(self):
        session = self.session()
        feed = self.server.feed(session, timeout=1)
        if isinstance(feed, Response):
            self.statuses.add(feed.status)
            return
        try:
            for _ in range(self.chance.randrange(1, 30)):
                feed.next()
        except (TimeoutError, StopIteration):
            pass  # nothing happened there, or it was deleted
        self.ledger.note(session, feed.seen)
        feed.close()

    def socket(self):
        with WebSocket(self.server.url, timeout=2) as ws:
            session = self.session()
            ws.send({"type": "subscribe", "session_id": session})
            ws.send(self.body() | {"type": "chat", "session_id": session})
            try:
                for _ in range(self.chance.randrange(1, 30)):
                    assert ws.next() is not None, f"closed with {ws.close_code}"
            except TimeoutError:
                pass
            self.ledger.note(session, ws.seen())
            ids = [m["id"] for m in ws.messages if "id" in m]
            assert len(ids) == len(set(ids)), f"twice over one socket: {ids}"


class TurnChaosTest(ServerCase):
    config = {
        "deadlines": {"first_token_ms": 500, "between_tokens_ms": 400, "turn_ms": 2500},
        "limits": {"keep_log_ms": 200, "queue_wait_ms": 3000},
        "checkpoints": {"interval_ms": 20},
    }
    env = {"ASAN_OPTIONS": "quarantine_size_mb=8"}

    @classmethod
    def setUpClass(cls):
        raise_open_file_limit()
        super().setUpClass()

    def test_it_stays_sound(self):
        chance = random.Random(11)
        self.upstream.script("chaos", *(chance.choice(ANSWERS) for _ in range(20_000)))
        ledger, end = Ledger(), time.monotonic() + SECONDS
        actors = [Actor(self.server, ledger, i, end) for i in range(ACTORS)]
        for actor in actors:
            actor.start()
        for actor in actors:
            actor.join(SECONDS + 60)
        self.assertEqual([a.problem for a in actors if a.problem or a.is_alive()], [])
        self.assertEqual(ledger.problems[:3], [], "an event that means two things")
        statuses = set().union(*(a.statuses for a in actors))
        self.assertLessEqual(statuses, {200, 202, 204, 404, 409, 422, 503, 504})
        for session in (f"chaos-{i}" for i in range(SESSIONS)):
            wait_for(lambda: self.server.page(session).json.get("running") is None, "the end of all turns", 40)
            messages = self.server.history(session)
            self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
            stamps = [m["timestamp"] for m in messages]
            self.assertEqual(stamps, sorted(set(stamps)))
            for message in messages[1::2]:
                self.check_turn(session, message, ledger)
        wait_for(self.is_calm, "all turns to be over", 20)
        self.upstream.script("chaos")
        self.assert_answer(self.server.chat("calm again", "calm"), "[1] calm again")

    def check_turn(self, session, message, ledger):
        """What is stored, what is told of it, and what its readers saw are the same."""
        turn = self.server.get(turn_path(session, message["turn_id"]))
        self.assertEqual(turn.status, 200, turn.body)
        self.assertIn(turn.json["state"], ENDED)
        self.assertEqual((turn.json["state"], turn.json["message"]), (message["state"], message["content"]))
        reader = self.server.events(session, message["turn_id"])
        reader.finish()
        self.assertEqual((reader.text, reader.seen[-1][1]), (message["content"], "turn." + message["state"]))
        ledger.note(session, reader.seen)
        self.assertEqual(ledger.problems[:3], [], "an event that means two things")
        reader.close()

    def is_calm(self):
        _, samples = prometheus_text.parse(self.server.get("/metrics").body.decode())
        return all(samples[f"tertulia_{name}", ()] == 0 for name in ("turns_running", "turns_claimed"))


if __name__ == "__main__":
    unittest.main()
