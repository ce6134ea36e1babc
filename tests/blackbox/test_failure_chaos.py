"""Many turns at once over routes of random faults: whatever fails, whoever has a good last target gets one whole answer."""

import concurrent.futures
import random
import unittest

from client import Stream
from failures_case import ALL_WIRES, ANSWER, FailuresCase, Turn, wait_for

FAULTS = (
    "f01-ams20", "f02", "f03", "f04", "f05", "f08", "f08-c1", "f08-c51-ws", "f10", "f11", "f12", "inband", "inband-c7",
    "html", "empty", "s401", "s501", "s529-once", "reset-c30", "end-c59", "good-g1", "f08-once", "f09-c20",
)  # fmt: skip
ROUTES, TURNS = 40, 240


class FailureChaosTest(FailuresCase):
    config = FailuresCase.config | {
        "retry": {"attempts": 2, "base_ms": 1, "max_ms": 10, "budget": 1.0},
        "deadlines": {"first_token_ms": 1000, "between_tokens_ms": 1000},
        "checkpoints": {"interval_ms": 20},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.random = random.Random(5)
        for i in range(ROUTES):
            faults = cls.random.sample(FAULTS, cls.random.randint(1, 3))
            last = cls.random.choice(("good", "good-noprefill", "good-nocontinue", "good-g2"))
            wires = [cls.random.choice(ALL_WIRES) for _ in range(len(faults) + 1)]
            hedge = {"hedge": "30ms"} if i % 4 == 0 else {}
            cls.route(f"chaos-{i}", *zip(wires, [*faults, last]), **hedge)

    def play(self, number):
        chance = random.Random(number)
        route, session = f"chaos-{chance.randrange(ROUTES)}", f"chaos-{number % 60}"
        what = chance.random()
        if what < 0.15:
            return self.cancel(route, session, chance)
        if what < 0.3:
            stream = self.server.stream("x", session, model=route)
            if isinstance(stream, Stream):
                stream.next()
                stream.close()
            return None
        turn = Turn.asked(self.server, "x", what < 0.7, session, model=route)
        if turn.status == 409:
            return None
        if turn.status != 200 or turn.body["message"] != ANSWER or turn.text not in (None, ANSWER):
            return f"{route}: {turn.status} {turn.body} {turn.names} {turn.text!r}"
        return None

    def cancel(self, route, session, chance):
        stream = self.server.stream("x", session, model=route)
        if not isinstance(stream, Stream):
            return None
        for _ in range(1 + chance.randrange(5)):
            if stream.next().name.startswith(("turn.c", "turn.f", "turn.i")):
                return None
        self.server.cancel(session, stream.events[0].json["turn_id"])
        end = stream.finish()
        stream.close()
        if end is None or not ANSWER.startswith(stream.text):
            return f"{route}: cancelled with {stream.text!r}"
        return None

    def test_whoever_has_a_good_target_gets_one_whole_answer(self):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            problems = [p for p in pool.map(self.play, range(TURNS)) if p]
        self.assertEqual(problems, [])
        for session in (f"chaos-{i}" for i in range(60)):
            for message in self.server.wait_idle(session, 40):
                if message["role"] == "assistant":
                    if message["state"] == "completed":
                        self.assertEqual(message["content"], ANSWER)
                    else:
                        self.assertTrue(ANSWER.startswith(message["content"]), message)
        wait_for(
            lambda: all(r.answered or r.peer_gone for r in self.upstream.requests), "every call to end or be closed"
        )


if __name__ == "__main__":
    unittest.main()
