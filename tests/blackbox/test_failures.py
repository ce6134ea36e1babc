"""The scorecard: sixteen faults of providers, for each of three wires, as the client of a route sees them.

Each cell asks a route of a faulty target and a good one three times: streamed, as JSON, and as JSON with the provider
asked for a whole answer too. The table is printed, and written to the file that TERTULIA_SCORECARD names.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import time
import traceback
import unittest

from answers import Usage
from failures_case import ANSWER, SCALE, WIRES, FailuresCase, Turn, wait_for
from faulty_provider import REFUSAL, whole_text
from reckoning import cost, nano

MODES = ("sse", "json", "whole")
CATALOGUE = {
    "f01": "429 with Retry-After 2 s",
    "f02": "429 for good",
    "f03": "one 500",
    "f04": "503 for good",
    "f05": "TCP reset before the head",
    "f06": "no answer for 120 s",
    "f07": "first token after 20 s",
    "f08": "cut after 40 of 60 tokens",
    "f09": "stall of 30 s in mid-stream",
    "f10": "malformed chunk",
    "f11": "no terminal event",
    "f12": "context length exceeded",
    "f13": "content filter",
    "f14": "fallback refuses a prefill",
    "f15": "flaps for 60 s and is back",
    "f16": "accounting after a fallback",
}
# Of the faulty target and of the good one, in dollars per million tokens; so fine that rounding shows.
RATES = ({"input": "3.100007", "output": "15.700033"}, {"input": "0.9005", "output": "4.300001"})
DOWN, LATE, BAD = "upstream_unavailable", "timed_out", "upstream_rejected"


@dataclasses.dataclass
class Cell:
    """One fault, at one wire, asked in one mode."""

    case: FailuresCase
    wire: str
    fault: str
    mode: str

    def __post_init__(self):
        self.route = f"{self.wire}-{self.fault}-{self.mode}"
        self.targets = self.case.targets[self.route]

    def ask(self, message="Tell me of tertulias.", **fields):
        self.began = time.monotonic()
        self.turn = Turn.asked(self.case.server, message, self.mode == "sse", model=self.route, **fields)
        self.took = time.monotonic() - self.began
        return self.turn

    def calls(self, i):
        return self.case.calls(self.targets[i])

    def expect(self, outcomes, text=ANSWER, reason="end_turn", kept=None):
        """One turn, one whole answer: `outcomes` has (target, outcome) for every call, the last one finished it.

        `kept`: tokens of the first target that the second went on from; None: nobody noticed anything.
        """
        case, turn = self.case, self.ask()
        case.assertEqual(turn.status, 200, turn.body)
        case.assertEqual(turn.body["message"], text)
        case.assertEqual((turn.body["state"], turn.body["stop_reason"]), ("completed", reason))
        case.assertEqual(turn.body["model"], self.targets[outcomes[-1][0]])
        case.assertEqual(turn.outcomes, [(self.targets[i], outcome) for i, outcome in outcomes])
        for i in (0, 1):
            # A kept-alive connection that is reset without a byte is not an attempt: the call is sent once more.
            calls = [r for r in self.calls(i) if i or self.fault != "f05" or r.nth_on_connection == 1]
            case.assertEqual(len(calls), sum(target == i for target, _ in outcomes), f"calls at target {i}")
        for attempt in turn.body["attempts"]:
            case.assertEqual(set(attempt), {"model", "outcome", "ms", "tokens"})
        if self.mode == "sse":
            self.check_events(text, kept)
        stored = case.server.history(turn.body["session_id"])
        case.assertEqual([(m["role"], m["state"]) for m in stored], [("user", "completed"), ("assistant", "completed")])
        case.assertEqual(stored[1]["content"], text)
        return turn

    def check_events(self, text, kept):
        case, turn = self.case, self.turn
        case.assertEqual(turn.text, text)
        case.assertEqual(turn.named("text.replaced"), [])
        if kept is None:
            case.assertEqual(turn.names, ["turn.started", "text.delta", "turn.completed"])
            return
        case.assertEqual(turn.names, ["turn.started", "text.delta", "turn.rerouted", "text.delta", "turn.completed"])
        case.assertEqual(turn.text_before("turn.rerouted"), whole_text(kept))
        (rerouted,) = turn.named("turn.rerouted")
        case.assertEqual((rerouted["from"], rerouted["to"]), tuple(self.targets))
        case.assertEqual(rerouted["kept_chars"], len(whole_text(kept)))
        case.assertTrue(rerouted["reason"])

    def check_left(self, request, after):
        """The server closed this call within two seconds of its deadline."""
        wait_for(lambda: request.peer_gone, "the silent call to be closed")
        self.case.assertLess(request.gone_at - request.at, after + 2)

    # -- the sixteen -----------------------------------------------------------------------------------------------

    def f01(self):
        self.expect([(0, DOWN), (0, "ok")])
        first, second = self.calls(0)
        self.case.assertGreaterEqual(second.at - first.at, 2 * SCALE)

    def f02(self):
        self.expect([(0, DOWN)] * 3 + [(1, "ok")])

    def f03(self):
        self.expect([(0, DOWN), (0, "ok")])

    f04 = f02
    f05 = f02

    def f06(self):
        self.expect([(0, LATE), (1, "ok")])
        self.check_left(self.calls(0)[0], 1.5)

    f07 = f06

    def f08(self):
        if self.mode == "whole":
            self.expect([(0, DOWN)] * 3 + [(1, "ok")])
            return
        self.expect([(0, DOWN), (1, "ok")], kept=40)
        self.check_continued(40)

    def check_continued(self, tokens):
        """The second target was shown what the first one had said, and said only the rest."""
        request = self.calls(1)[-1]
        said = [text for role, text in request.messages if role == "assistant"]
        self.case.assertEqual(said, [whole_text(tokens)])
        self.case.assertEqual(whole_text(tokens) + request.text, ANSWER)

    def f09(self):
        self.expect([(0, LATE), (1, "ok")], kept=None if self.mode == "whole" else 40)
        if self.mode != "whole":
            self.check_continued(40)
        self.check_left(self.calls(0)[0], 3.0)

    def f10(self):
        if self.mode == "whole":
            self.expect([(0, DOWN)] * 3 + [(1, "ok")])
            return
        self.expect([(0, DOWN), (1, "ok")], kept=20)
        self.check_continued(20)

    def f11(self):
        if self.wire == "openai" or self.mode == "whole":
            self.expect([(0, "ok")])
            return
        turn = self.ask()  # may complete or fail: but nobody is asked to go on from an answer that is whole
        self.case.assertEqual((len(self.calls(0)), len(self.calls(1))), (1, 0))
        if turn.status == 200:
            self.case.assertEqual(turn.body["message"], ANSWER)
        else:
            self.case.assertEqual(turn.body["partial"], ANSWER)
        if self.mode == "sse":
            self.case.assertEqual(turn.text, ANSWER)

    def f12(self):
        self.expect([(0, BAD), (1, "ok")])
        self.single_target_gets_less()

    def single_target_gets_less(self):
        """With no other target: one more call, not the same one."""
        session = f"f12-{self.wire}-{self.mode}"
        model = f"{self.route}-0/f12.{session}"
        for i in range(4):
            good = f"{self.route}-1/good.{session}"
            Turn.asked(self.case.server, f"Question {i} " + "and more " * 60, False, session, model=good)
        turn = Turn.asked(self.case.server, "The last question", self.mode == "sse", session, model=model)
        self.case.assertEqual(turn.body["code"], BAD)
        first, second = self.case.calls(model)
        self.case.assertLess(len(second.messages), len(first.messages))

    def f13(self):
        self.expect([(0, "ok")], text="".join(REFUSAL), reason="refusal")

    def f14(self):
        """The first target is cut (f08), the second one takes no prefill."""
        if self.mode == "whole":
            self.expect([(0, DOWN)] * 3 + [(1, "ok")])
            return
        prefilled = self.wire != "openai"
        self.expect([(0, DOWN)] + [(1, BAD)] * prefilled + [(1, "ok")], kept=40)
        self.check_continued(40)
        self.case.assertEqual(self.calls(1)[-1].messages[-1][0], "user")

    def f15(self):
        if self.mode != "sse":
            return  # one long watch for each wire
        model = self.targets[0]
        spared, back, end = 0, None, None
        while back is None:
            turn = self.ask()
            self.case.assertEqual((turn.status, turn.body.get("message"), turn.text), (200, ANSWER, ANSWER), turn.body)
            if end is None:
                end = self.calls(0)[0].at + 60 * SCALE
            spared += turn.outcomes[0][0] != model
            if self.began > end and turn.outcomes == [(model, "ok")]:
                back = self.began
            self.case.assertLess(self.began, end + 30 * SCALE, "the first target is not used again")
        self.case.assertGreater(spared, 0, "the breaker never opened")

    def f16(self):
        if self.mode == "whole":
            return self.whole_accounting()
        turn = self.expect([(0, DOWN), (1, "ok")], kept=40)
        cut, finished = self.calls(0)[0], self.calls(1)[0]
        usage = turn.body["usage"]
        lost = usage["input_tokens"] - finished.billed.input, usage["output_tokens"] - finished.billed.output
        self.case.assertIs(usage["estimated"], True)
        self.case.assertEqual(lost[1], turn.body["attempts"][0]["tokens"])
        self.case.assertEqual(finished.billed.output, turn.body["attempts"][1]["tokens"])
        self.case.assertTrue(20 <= lost[1] <= 80, lost)
        if self.wire == "anthropic":  # it had told its prompt's tokens
            self.case.assertEqual(lost[0], cut.billed.input)
        else:
            self.case.assertGreater(lost[0], 0)
        expected = cost(RATES[0], Usage(input=lost[0], output=lost[1])) + cost(RATES[1], finished.billed)
        self.case.assertEqual((nano(turn.body["cost"]["usd"]), turn.body["cost"]["estimated"]), (expected, True))

    def whole_accounting(self):
        """Nothing came of the first target: only the second one is billed, as it reported."""
        turn = self.expect([(0, DOWN)] * 3 + [(1, "ok")])
        billed = self.calls(1)[0].billed
        usage = turn.body["usage"]
        self.case.assertEqual((usage["input_tokens"], usage["output_tokens"]), (billed.input, billed.output))
        self.case.assertNotIn("estimated", usage)
        self.case.assertEqual(nano(turn.body["cost"]["usd"]), cost(RATES[1], billed))
        self.case.assertIs(turn.body["cost"]["estimated"], False)


class ScorecardTest(FailuresCase):
    @classmethod
    def setUpRoutes(cls):
        cls.targets = {}
        for wire in WIRES:
            for fault in CATALOGUE:
                for mode in MODES:
                    name = f"{wire}-{fault}-{mode}"
                    models = {"f14": ("f08", "f14")}.get(fault, (fault, "good"))
                    options = {"stream": "as_asked" if mode == "whole" else "always"}
                    targets = cls.route(name, *((wire, model) for model in models), options=options)
                    cls.targets[name] = targets
                    for target, rates in zip(targets, RATES):
                        cls.price(target, **rates)

    def attempt(self, wire, fault):
        """What is wrong in this cell: nothing, or a text."""
        problems = []
        for mode in MODES:
            try:
                cell = Cell(self, wire, fault, mode)
                getattr(cell, fault)()
            except Exception as problem:
                where = traceback.extract_tb(problem.__traceback__)[1:]
                steps = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(where) if "unittest" not in f.filename)
                problems.append(f"{fault} {wire} {mode}: {type(problem).__name__}: {problem}\n    at {steps}")
        return problems

    def test_scorecard(self):
        only = os.environ.get("TERTULIA_SCORECARD_ONLY", "").split()
        cells = [(f, w) for f in sorted(CATALOGUE, key=lambda f: f != "f15") for w in WIRES if not only or f in only]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = dict(zip(cells, pool.map(lambda cell: self.attempt(cell[1], cell[0]), cells)))
        table = self.table(results)
        print("\n" + table)
        if path := os.environ.get("TERTULIA_SCORECARD"):
            pathlib.Path(path).write_text(table)
        failures = [problem for problems in results.values() for problem in problems]
        self.assertFalse(failures, "\n".join(["", *failures]))

    @staticmethod
    def table(results):
        lines = ["| fault | " + " | ".join(WIRES) + " |", "|---|" + "---|" * len(WIRES)]
        shown = {None: "-", True: "pass", False: "**FAIL**"}
        for fault, title in CATALOGUE.items():
            marks = [shown[None if (fault, w) not in results else not results[(fault, w)]] for w in WIRES]
            lines.append(f"| {fault.upper()} {title} | " + " | ".join(marks) + " |")
        passed = [sum((f, w) in results and not results[(f, w)] for f in CATALOGUE) for w in WIRES]
        lines.append("| passed | " + " | ".join(f"{n} of {len(CATALOGUE)}" for n in passed) + " |")
        return "\n".join(lines) + "\n"


if __name__ == "__main__":
    unittest.main()
