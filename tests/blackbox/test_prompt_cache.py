"""Prompt caches: a session of 20 turns at providers that bill caches as the real ones do."""

import itertools
import unittest

from failures_case import WIRES, FailuresCase, Turn
from prompt_cache import blocks_of

TURNS = 20
SYSTEM = "You are one of the regulars of a tertulia; you answer shortly, and never break off. " * 13
QUESTION = "What was said at the table about this and that, and who said it first? " * 5
LEAST = 0.60


class PromptCacheTest(FailuresCase):
    @classmethod
    def setUpRoutes(cls):
        models = {
            "openai": "good-n200",
            "anthropic": "claude-mock-good-n200",
            "bedrock": "good-n200",
        }
        cls.targets = {wire: cls.route(f"{wire}-cached", (wire, model))[0] for wire, model in models.items()}

    def session(self, wire, session):
        """Twenty turns with a model of their own; the requests that came for them."""
        model = f"{self.targets[wire]}.{session}"
        for n in range(TURNS):
            turn = Turn.asked(self.server, f"{n}: {QUESTION}", n % 2 == 0, session, model=model, system=SYSTEM)
            self.assertEqual(turn.status, 200, turn.body)
        self.assertEqual(len(self.calls(model)), TURNS)
        return model, self.calls(model)

    def test_most_of_a_long_session_is_read_from_the_cache(self):
        lines = []
        for wire in WIRES:
            with self.subTest(wire):
                model, requests = self.session(wire, f"long-{wire}")
                read = sum(r.usage.cache_read for r in requests)
                wrote = sum(r.usage.cache_write for r in requests)
                whole = read + wrote + sum(r.usage.input for r in requests)
                share = read / whole
                lines.append(
                    f"{wire}: {share:.1%} of {whole} input tokens read from the cache, {wrote / whole:.1%} written to it"
                )
                self.assertGreaterEqual(share, LEAST, lines[-1])
                self.assertTrue(all(r.system.strip() == SYSTEM.strip() for r in requests))
                row = next(r for r in self.server.get("/usage?group_by=model").json["rows"] if r["model"] == model)
                self.assertEqual((row["cache_read_tokens"], row["cache_write_tokens"]), (read, wrote))
        print("\n" + "\n".join(lines))

    def test_what_was_sent_once_stays_as_it_was(self):
        for wire in WIRES:
            with self.subTest(wire):
                requests = self.session(wire, f"same-{wire}")[1]
                for earlier, later in itertools.pairwise(requests):
                    one, other = ([text for text, _, _ in blocks_of(r.body)] for r in (earlier, later))
                    self.assertEqual(other[: len(one)], one)

    def test_at_most_four_breakpoints_and_never_on_nothing(self):
        for wire in ("anthropic", "bedrock"):
            with self.subTest(wire):
                for request in self.session(wire, f"few-{wire}")[1]:
                    self.assertTrue(1 <= sum(marked for _, _, marked in blocks_of(request.body)) <= 4)

    def test_the_key_of_a_session_is_its_own_and_stays(self):
        keys = [
            {r.body.get("prompt_cache_key") for r in self.session("openai", session)[1]} for session in ("one", "two")
        ]
        self.assertEqual([len(k) for k in keys], [1, 1])
        self.assertEqual(len(keys[0] | keys[1] - {None}), 2)


if __name__ == "__main__":
    unittest.main()
