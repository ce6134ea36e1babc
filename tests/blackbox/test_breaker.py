"""Circuit breakers, and the provider that a session stays with."""

import concurrent.futures
import time
import unittest

from answers import Answer
from failures_case import ANSWER, FailuresCase, Turn, wait_for

PROBE = 0.4


class BreakerTest(FailuresCase):
    config = FailuresCase.config | {
        "retry": {"attempts": 1},
        "breaker": {"failures": 3, "probe_ms": int(PROBE * 1000)},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {}
        for name, model in {
            "opens": "s503",
            "recovers": "s503-x4",
            "crowd": "s503-d10",
            "shared": "s503",
            "wrong": "s400",
            "in-band": "inband",
        }.items():
            cls.targets[name] = cls.route(name, ("openai", model), ("anthropic", "good"))
        cls.targets["alone"] = cls.route("alone", ("openai", "s503"))

    def ask(self, model, streamed=False):
        return Turn.asked(self.server, "x", streamed, model=model)

    def asked(self, name):
        return len(self.calls(self.targets[name][0]))

    def open(self, name):
        for i in range(3):
            turn = self.ask(name)
            self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)
            self.assertEqual(self.asked(name), i + 1)
        return time.monotonic()

    def test_it_opens_after_failures_in_a_row_and_spares_the_target(self):
        for name in ("opens", "in-band"):
            with self.subTest(name):
                self.open(name)
                for _ in range(3):
                    turn = self.ask(name)
                    self.assertEqual((turn.status, turn.body["model"]), (200, self.targets[name][1]))
                    self.assertEqual(turn.outcomes, [(self.targets[name][1], "ok")])
                self.assertEqual(self.asked(name), 3)

    def test_a_probe_finds_the_target_well_and_it_is_used_again(self):
        opened = self.open("recovers")  # the fourth call, the first probe, fails too
        wait_for(lambda: self.ask("recovers").outcomes and self.asked("recovers") == 4, "the first probe")
        self.assertGreaterEqual(time.monotonic() - opened, PROBE * 0.9)
        wait_for(
            lambda: self.ask("recovers").body["model"] == self.targets["recovers"][0], "the target to be used again"
        )
        for _ in range(3):
            self.assertEqual(self.ask("recovers").outcomes, [(self.targets["recovers"][0], "ok")])

    def test_one_probe_at_a_time(self):
        self.open("crowd")
        time.sleep(PROBE * 1.2)  # the one wait for a time: until a probe is due
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            turns = list(pool.map(lambda _: self.ask("crowd"), range(8)))
        self.assertEqual({t.status for t in turns}, {200})
        self.assertLessEqual(self.asked("crowd"), 5)

    def test_it_belongs_to_the_provider_not_to_the_model(self):
        self.open("shared")
        other = self.targets["shared"][0].partition("/")[0] + "/good.other"
        turn = self.ask(other)
        self.assertEqual((turn.status, turn.body["code"]), (503, "upstream_unavailable"))
        self.assertEqual(self.calls(other), [])

    def test_with_no_other_target_the_client_is_told_at_once(self):
        for _ in range(6):
            turn = self.ask("alone")
            self.assertEqual((turn.status, turn.body["code"]), (503, "upstream_unavailable"))
        self.assertEqual(self.asked("alone"), 3)

    def test_a_wrong_request_says_nothing_of_the_provider(self):
        for _ in range(5):
            self.assertEqual(self.ask("wrong").status, 502)
        self.assertEqual(self.asked("wrong"), 5)


class StickyTest(FailuresCase):
    config = FailuresCase.config | {"retry": {"attempts": 1}}

    @classmethod
    def setUpRoutes(cls):
        cls.first, cls.second = cls.route("two", ("openai", "first"), ("anthropic", "second"))

    def script(self, first, second):
        self.upstream.script(self.first.partition("/")[2], *first)
        self.upstream.script(self.second.partition("/")[2], *second)

    def ask(self, session, message="x"):
        turn = Turn.asked(self.server, message, False, session, model="two")
        self.assertEqual(turn.status, 200, turn.body)
        return turn.outcomes

    def test_a_session_stays_where_it_was_answered(self):
        down = Answer(status=503, body={})
        self.script([down, Answer("one")], [Answer("two")])
        unwell = (self.first, "upstream_unavailable")
        self.assertEqual(self.ask("stays"), [unwell, (self.second, "ok")])
        self.assertEqual(self.ask("stays"), [(self.second, "ok")])
        self.assertEqual(self.ask("another"), [(self.first, "ok")])
        self.assertEqual(self.ask("stays"), [(self.second, "ok")])

    def test_it_moves_with_everything_when_its_provider_fails(self):
        down = Answer(status=503, body={})
        self.script([down, Answer("one")], [Answer("two"), Answer("two"), down])
        self.ask("moves", "a")
        self.ask("moves", "b")
        self.assertEqual(self.ask("moves", "c"), [(self.second, "upstream_unavailable"), (self.first, "ok")])
        shown = self.calls(self.first)[-1].messages
        self.assertEqual(
            shown, [("user", "a"), ("assistant", "two"), ("user", "b"), ("assistant", "two"), ("user", "c")]
        )
        self.assertEqual(self.ask("moves", "d"), [(self.first, "ok")])


if __name__ == "__main__":
    unittest.main()
