"""A day of 1 000 turns with every kind of ending: what the server says that it cost, against a reckoning of our own.

It ends with `kill -9` amid the last turns, and a new start: those are billed by the server's estimate, which is reckoned
here as well, from what the documentation says of it.

The mock bills each call; the reckoning prices that with the rates of the configuration, in decimals. Where a call was
cut the provider tells nobody its tokens: there the server's estimate is taken from its report, held against
the mock's count (a third either way), and priced by us. Everything must agree to the nano-dollar: per session and
model, per model, per day, in total, in each answer, and in the table of `tertulia usage`.
"""

import collections
import concurrent.futures
import csv
import io
import re
import unittest

from answers import Usage
from client import Stream
from crash_case import wait_saved
from failures_case import ANSWER, WIRES, FailuresCase, Turn, wait_for
from faulty_provider import whole_text
from harness import run
from reckoning import cost, dollars, nano

LONG_SYSTEM = "You are one of the regulars of a tertulia. " * 150  # long enough to be cached
KINDS = {  # how many turns end like this, and the models of its route
    "completed": (490, ["good-n{length}"]),
    "cached": (120, ["good-n{length}"]),
    "whole": (60, ["good"]),
    "tried-again": (40, ["s503-once-each"]),
    "failed": (40, ["s503"]),
    "refused": (30, ["s400"]),
    "passed-on": (40, ["s404", "good"]),
    "rerouted": (40, ["f08", "good"]),
    "cut": (30, ["f08"]),
    "continued": (15, ["f08-once-each"]),  # two turns each
    "cancelled": (30, ["stall"]),
    "hedged": (20, ["good-d9000", "good"]),
    "moved-and-crashed": (12, ["f08", "stall-c50"]),
    "crashed": (18, ["stall"]),
}
CRASHED = [kind for kind in KINDS if kind.endswith("crashed")]
TURNS = 1000
TOTALS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def rates_of(number):
    """Rates that no other target has, with as many digits as prices may have."""
    steps = [(7, "1.000001"), (3, "0.100003"), (11, "1.250007"), (13, "5.000009")]
    names = ("input", "cache_read", "cache_write", "output")
    return {name: f"{float(base) + number * step / 1000:.6f}" for name, (step, base) in zip(names, steps)}


def tokens(row):
    """A report's row as a Usage."""
    return Usage(*(row[name] for name in TOTALS))


def plus(one, other, sign=1):
    names = ("input", "cache_read", "cache_write", "output", "reasoning")
    return Usage(*(getattr(one, n) + sign * getattr(other, n) for n in names))


def estimate(text):
    """Tokens of a text, as docs/api.md has it: a quarter of the ASCII bytes and two thirds of the others."""
    data = text.encode()
    others = sum(byte >= 0x80 for byte in data)
    return -(-(len(data) - others) // 4) + -(-2 * others // 3)


def estimated_prompt(request, partial=""):
    """The same of what the mock was sent: the system's and the user's text in their frames, and the answer so far."""
    return sum(4 + estimate(text) for text in (request.system, request.messages[0][1])) + estimate(partial)


class Sent:
    """What one session asked of one target, as the mock saw it."""

    def __init__(self):
        self.reported, self.cut, self.hedged = [], [], 0


class CostDayTest(FailuresCase):
    config = FailuresCase.config | {
        "retry": {"attempts": 2, "base_ms": 1, "max_ms": 5, "budget": 1.0},
        "breaker": {"failures": 0},
        "deadlines": {"first_token_ms": 30000, "between_tokens_ms": 30000},
    }

    @classmethod
    def setUpRoutes(cls):
        cls.rates, cls.models = {}, {}
        for kind, (_, models) in KINDS.items():
            for wire in WIRES:
                more = {"hedge": "60ms"} if kind == "hedged" else {}
                options = {"stream": "as_asked"} if kind == "whole" else {}
                named = [(wire, m.format(length=40)) for m in models]
                targets = cls.route(f"{kind}-{wire}", *named, options=options, **more)
                cls.models[kind, wire] = targets
                for target in targets:
                    cls.rates[target] = rates_of(len(cls.rates))
                    cls.price(target, **cls.rates[target])

    # -- the day -----------------------------------------------------------------------------------------------------

    def jobs(self):
        """(kind, wire, session) of every job; a job of `continued` is two turns, one of `cached` five."""
        for kind, (count, _) in KINDS.items():
            if kind not in CRASHED:
                yield from self.jobs_of(kind, count if kind != "cached" else count // 5)

    def jobs_of(self, kind, count):
        for i in range(count):
            yield kind, WIRES[i % 3], f"{kind}-{i}"

    def job(self, kind, wire, session):
        return getattr(self, "play_" + kind.replace("-", "_"), self.play_one)(kind, wire, session)

    def ask(self, kind, wire, session, streamed, **fields):
        """One turn; the message tells the mock's log whose it is."""
        return Turn.asked(self.server, f"[{session}] Tell me.", streamed, session, model=f"{kind}-{wire}", **fields)

    def play_one(self, kind, wire, session):
        turn = self.ask(kind, wire, session, streamed=session[-1] in "02468")
        failed = {"failed": "upstream_unavailable", "refused": "upstream_rejected", "cut": "upstream_unavailable"}
        if kind in failed:
            assert turn.body.get("code") == failed[kind], (session, turn.body)
        else:
            assert turn.body.get("message") == whole_text(40 if kind == "completed" else 60), (session, turn.body)
        return [turn]

    def play_whole(self, kind, wire, session):
        return [self.ask(kind, wire, session, streamed=False)]

    def play_cached(self, kind, wire, session):
        return [self.ask(kind, wire, session, streamed=bool(i % 2), system=LONG_SYSTEM) for i in range(5)]

    def play_cancelled(self, kind, wire, session):
        stream = self.server.stream(f"[{session}] Tell me.", session, model=f"{kind}-{wire}")
        assert isinstance(stream, Stream), stream.body
        while stream.text != whole_text(40):
            stream.next()
        self.server.cancel(session, stream.events[0].json["turn_id"])
        terminal = stream.finish()
        assert terminal.name == "turn.cancelled", terminal
        stream.close()
        return [Turn(503, terminal.json, {}, [])]

    def play_continued(self, kind, wire, session):
        first = self.ask(kind, wire, session, streamed=True)
        assert first.body.get("partial") == whole_text(40), first.body
        again = self.server.go_on(session, first.body["turn_id"])
        assert again.status == 200 and again.json["message"] == ANSWER, again.body
        return [first, Turn(200, again.json, again.headers, [])]

    def crash(self):
        """Turns that a crash cuts while their models are silent; a new start. What is left of each: `self.cut_texts`."""
        jobs = [job for kind in CRASHED for job in self.jobs_of(kind, KINDS[kind][0])]
        streams = {}
        for kind, wire, session in jobs:
            # The last one begins when all others have said what they will: what saves it saves them.
            while len(streams) == len(jobs) - 1 and (quiet := self.next_unread(streams)):
                quiet.next()
            streams[session] = self.server.stream(f"[{session}] Tell me.", session, model=f"{kind}-{wire}")
        wait_saved(self.database, session)
        self.server.process.kill()
        self.server.wait()
        for stream in streams.values():
            stream.close()
        type(self).server = self.start(config=self.whole_config)
        self.cut_texts = {}
        for *_, session in jobs:
            answer = self.server.history(session)[-1]
            self.cut_texts[session] = answer["content"]
            self.assertEqual(answer["state"], "interrupted")
        del streams[session]
        self.assertEqual({s: self.cut_texts[s] for s in streams}, {s: stream.text for s, stream in streams.items()})
        return len(jobs)

    @staticmethod
    def next_unread(streams):
        """A stream whose model has not yet said all that it will."""
        lengths = {"crashed": 40, "moved-and-crashed": 50}
        return next((t for s, t in streams.items() if t.text != whole_text(lengths[s.rpartition("-")[0]])), None)

    # -- the reckoning -----------------------------------------------------------------------------------------------

    def seen(self):
        """What the mock saw: {(session, target): Sent}."""
        owners = {t.partition("/")[2]: t for targets in self.models.values() for t in targets}
        sent = collections.defaultdict(Sent)
        for request in self.upstream.requests:
            session = re.search(r"\[([a-z-]+-\d+)\]", request.messages[0][1])[1]
            entry = sent[session, owners[request.model]]
            if request.usage is None:
                continue  # refused: not billed
            if request.answered:
                entry.reported.append(request.billed)
            elif request.sent:
                entry.cut.append(request)
            else:
                entry.hedged += 1
        return sent

    def reckon(self, row, sent, target, session):
        """The nano-dollars of one row, after its tokens were held against what the mock saw."""
        total = Usage()
        for usage in sent.reported:
            total = plus(total, usage)
        nanos = sum(cost(self.rates[target], usage) for usage in sent.reported)
        rest = plus(tokens(row), total, -1)
        if not sent.cut:
            self.assertEqual(rest, Usage(), (session, target))
            return nanos
        (request,) = sent.cut
        billed = request.billed
        kind, _, number = session.rpartition("-")
        if kind in CRASHED and target == self.models[kind, WIRES[int(number) % 3]][-1]:
            before = whole_text(40) if len(KINDS[kind][1]) > 1 else ""
            prompt = estimated_prompt(request, before)
            given = self.cut_texts[session].removeprefix(before)
            self.assertEqual(rest, Usage(prompt, 0, 0, estimate(given), 0), (session, target))
            return nanos + cost(self.rates[target], rest)
        self.assertTrue(billed.output * 0.5 <= rest.output <= billed.output * 2, (session, rest, billed))
        announced = ("cut-anthropic", "rerouted-anthropic", "cancelled-anthropic", "moved-and-crashed-anthropic")
        if target.startswith(announced):
            self.assertEqual((rest.input, rest.cache_read, rest.cache_write), (billed.input, 0, 0))
        else:
            self.assertTrue(billed.input * 0.3 <= rest.input <= billed.input * 4 + 40, (session, rest, billed))
        return nanos + cost(self.rates[target], rest)

    def test_the_day(self):
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            jobs = list(self.jobs())
            turns = [turn for turns in pool.map(lambda job: self.job(*job), jobs) for turn in turns]
        self.assertEqual(len(turns) + self.crash(), TURNS)
        wait_for(lambda: all(r.answered or r.peer_gone or r.usage is None for r in self.upstream.requests))
        by_session = self.usage("session,model")
        sent = self.seen()
        spent, hedges, kinds = collections.Counter(), collections.Counter(), collections.Counter()
        for row in by_session["rows"]:
            session, target = row["session"], row["model"]
            entry = sent.pop((session, target))
            self.assertEqual(nano(row["usd"]), self.reckon(row, entry, target, session), (session, row))
            self.assertEqual(nano(row["hedge_usd"]) > 0, entry.hedged > 0, (session, row))
            spent[target] += nano(row["usd"])
            hedges[target] += nano(row["hedge_usd"])
            kinds[session.rpartition("-")[0]] += 1
        unbilled = {session for (session, _), entry in sent.items() if entry.reported or entry.cut or entry.hedged}
        self.assertEqual(unbilled, set(), "billed by the provider, but not in the report")
        self.assertEqual(set(kinds), set(KINDS) - {"failed", "refused"})
        self.check_reports(spent, hedges)
        self.check_answers(turns, by_session)
        self.check_caches()
        print(
            f"\n{TURNS} turns, {len(self.upstream.requests)} calls: {dollars(spent.total())} and {dollars(hedges.total())}"
            " dollars, reckoned apart and the same"
        )

    def usage(self, group_by):
        response = self.server.get(f"/usage?group_by={group_by}")
        self.assertEqual(response.status, 200, response.body)
        self.assertLess(len(response.json["rows"]), 10000)
        return response.json

    def check_reports(self, spent, hedges):
        """By model, by day, in total, as CSV, and in the table of the command: the same sums."""
        total = (dollars(spent.total()), dollars(hedges.total()))
        models = self.usage("model")
        self.assertEqual({r["model"]: nano(r["usd"]) for r in models["rows"]}, dict(spent))
        self.assertEqual({r["model"]: nano(r["hedge_usd"]) for r in models["rows"]}, dict(hedges))
        for report in (models, self.usage("model,day"), self.usage("day"), self.usage("session,model")):
            self.assertEqual((report["total"]["usd"], report["total"]["hedge_usd"]), total)
            self.assertEqual(sum(nano(r["usd"]) for r in report["rows"]), spent.total())
            for name in TOTALS:
                self.assertEqual(sum(r[name] for r in report["rows"]), report["total"][name], name)
        table = self.server.get("/usage?group_by=model,day&format=csv")
        rows = list(csv.DictReader(io.StringIO(table.body.decode())))
        self.assertEqual(sum(nano(r["usd"]) for r in rows if r["model"] in spent), spent.total())
        code, output, errors = run("usage", "--url", self.server.url)
        self.assertEqual(code, 0, errors)
        self.assertIn(total[0], output)
        for model, amount in spent.items():
            self.assertTrue(any(model in line and dollars(amount) in line for line in output.splitlines()), model)

    def check_answers(self, turns, by_session):
        """What each answer said of its cost adds up to the same."""
        said = collections.Counter()
        for turn in turns:
            if turn.status == 200:
                said[turn.body["session_id"]] += nano(turn.body["cost"]["usd"])
        spent = collections.Counter()
        for row in by_session["rows"]:
            spent[row["session"]] += nano(row["usd"])
        for session, amount in said.items():
            if not session.startswith("continued"):  # its first turn failed, and said nothing of its cost
                self.assertEqual(amount, spent[session], session)

    def check_caches(self):
        for wire in WIRES:
            row = next(r for r in self.usage("model")["rows"] if r["model"] == self.models["cached", wire][0])
            self.assertGreater(row["cache_read_tokens"], row["input_tokens"], wire)
            self.assertTrue(wire == "openai" or row["cache_write_tokens"] > 0, wire)


if __name__ == "__main__":
    unittest.main()
