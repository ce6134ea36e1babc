"""Hedging: the second target starts when the first one is late, and the first content wins."""

import concurrent.futures
import random
import unittest

from answers import Answer, Pause, Usage
from failures_case import ANSWER, WIRES, FailuresCase, Turn, wait_for
from reckoning import cost, nano

RATES = {"input": "3", "output": "15"}


class HedgingTest(FailuresCase):
    config = FailuresCase.config | {"deadlines": {"first_token_ms": 20000, "between_tokens_ms": 20000}}

    @classmethod
    def setUpRoutes(cls):
        cls.targets = {}
        for wire in WIRES:
            for name, models in {
                "second-wins": ("good-d8000", "good"),
                "first-wins": ("good-d600", "good-d8000"),
                "not-needed": ("good", "good"),
                "first-fails": ("s404", "good"),
                "both-late": ("good-d8000", "good-d8000"),
                "slow-start": ("f08-d600", "good-d8000"),
            }.items():
                route = f"{name}-{wire}"
                hedge = "5s" if name == "not-needed" else "200ms"
                cls.targets[route] = cls.route(route, *((wire, model) for model in models), hedge=hedge)
                for target in cls.targets[route]:
                    cls.price(target, **RATES)

    def ask(self, route, streamed=True):
        self.turn = Turn.asked(self.server, "x", streamed, model=route)
        return self.turn

    def assert_answer(self, route, outcomes):
        turn, targets = self.turn, self.targets[route]
        self.assertEqual((turn.status, turn.body.get("message")), (200, ANSWER), turn.body)
        self.assertEqual(turn.outcomes, [(targets[i], outcome) for i, outcome in outcomes])
        self.assertEqual(turn.named("turn.rerouted"), [])
        self.assertEqual(turn.named("text.replaced"), [])

    def test_the_second_answers_when_the_first_is_late(self):
        for wire in WIRES:
            with self.subTest(wire):
                route = f"second-wins-{wire}"
                first, second = self.targets[route]
                closed = []
                for streamed in (True, False, True):
                    turn = self.ask(route, streamed)
                    self.assert_answer(route, [(0, "cancelled"), (1, "ok")])
                    self.assertEqual(turn.body["model"], second)
                    one, other = self.calls(first)[-1], self.calls(second)[-1]
                    self.assertGreaterEqual(other.at - one.at, 0.19)
                    wait_for(lambda one=one: one.peer_gone, "the loser to be closed")
                    closed.append(one.gone_at - other.sent[0][0])
                    billed = other.billed
                    self.assertEqual(nano(turn.body["cost"]["usd"]), cost(RATES, billed))
                    self.assertEqual(turn.body["usage"]["output_tokens"], billed.output)
                self.assertLess(min(closed), 0.2)

    def test_the_first_may_still_win(self):
        for wire in WIRES:
            with self.subTest(wire):
                route = f"first-wins-{wire}"
                turn = self.ask(route)
                self.assert_answer(route, [(0, "ok"), (1, "cancelled")])
                self.assertEqual(turn.body["model"], self.targets[route][0])
                loser = self.calls(self.targets[route][1])[0]
                wait_for(lambda loser=loser: loser.peer_gone, "the loser to be closed")

    def test_a_quick_first_is_not_hedged(self):
        for wire in WIRES:
            with self.subTest(wire):
                route = f"not-needed-{wire}"
                self.ask(route)
                self.assert_answer(route, [(0, "ok")])
                self.assertEqual(self.calls(self.targets[route][1]), [])

    def test_a_first_that_fails_is_replaced_at_once(self):
        route = "first-fails-openai"
        self.ask(route)
        self.assert_answer(route, [(0, "upstream_rejected"), (1, "ok")])

    def test_a_cut_after_the_race_is_gone_on_from_at_the_next_target(self):
        """The winner is cut in mid-sentence: only then the client is told of another target."""
        route = "slow-start-openai"
        turn = self.ask(route)
        self.assertEqual((turn.status, turn.body.get("message"), turn.text), (200, ANSWER, ANSWER), turn.body)
        self.assertEqual(len(turn.named("turn.rerouted")), 1)

    def test_a_cancel_closes_both_calls(self):
        targets = self.targets["both-late-openai"]
        stream = self.server.stream("x", "cancelled", model="both-late-openai")
        turn = stream.event().json["turn_id"]
        wait_for(lambda: all(self.calls(t) for t in targets), "both calls")
        self.assertEqual(self.server.cancel("cancelled", turn).status, 200)
        self.assertEqual(stream.finish().name, "turn.cancelled")
        wait_for(lambda: all(self.calls(t)[0].peer_gone for t in targets), "both calls to be closed")
        stream.close()

    def test_the_losers_cost_is_booked_apart(self):
        for wire in WIRES:
            with self.subTest(wire):
                model = self.targets[f"second-wins-{wire}"][0]
                before = self.usage_of(model)
                self.ask(f"second-wins-{wire}")
                after = self.usage_of(model)
                self.assertEqual(after["usd"], before["usd"])
                spent = nano(after["hedge_usd"]) - nano(before["hedge_usd"])
                prompt = self.calls(model)[-1].billed.input
                self.assertGreater(spent, 0)
                self.assertLess(spent, cost(RATES, Usage(input=prompt + 100)))

    def usage_of(self, model):
        rows = self.server.get("/usage?group_by=model").json["rows"]
        return next((r for r in rows if r["model"] == model), {"usd": "0.000000000", "hedge_usd": "0.000000000"})


class UsualTimeTest(FailuresCase):
    """hedge = "p95": after what is usual for this model."""

    config = HedgingTest.config
    calls_made = 240

    @classmethod
    def setUpRoutes(cls):
        cls.first, cls.second = cls.route("usual", ("openai", "usual"), ("anthropic", "good"), hedge="p95")

    def test_one_call_in_twenty_is_hedged_however_long_it_goes_on(self):
        """The second target is quick and always wins, so those that are hedged are never seen to their end."""
        chance = random.Random(7)
        pauses = [chance.uniform(0.02, 0.12) for _ in range(self.calls_made)]
        self.upstream.script(self.first.partition("/")[2], *(Answer("x", before=[Pause(p)]) for p in pauses))
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(Turn.asked, self.server, "x", False, model="usual") for _ in range(self.calls_made)]
            turns = [a.result() for a in asked]
        self.assertEqual({t.status for t in turns}, {200})
        hedged = [len(t.outcomes) > 1 for t in turns]
        self.assertFalse(any(hedged[:20]), "hedged before anything was known")
        self.assertGreater(sum(hedged), 3)
        self.assertLess(sum(hedged[-120:]), 36, "one in twenty is usual")


if __name__ == "__main__":
    unittest.main()
