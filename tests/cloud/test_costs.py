"""The cost table: its arithmetic, and that docs/deploy-aws.md shows what the script makes."""

import json
import sys
import unittest
from fractions import Fraction

import tools

sys.path.insert(0, str(tools.ROOT / "deploy"))

import costs  # noqa: E402

NEEDS = json.loads((tools.ROOT / "deploy" / "needs.json").read_text())
PRICES = json.loads((tools.ROOT / "src" / "tertulia" / "billing" / "prices.json").read_text())


class CostsTest(unittest.TestCase):
    def test_a_turn_worked_out_by_hand(self):
        needs = {
            "turn": {"memory_mb": 128, "seconds": 5, "overhead_ms": 0, "log_bytes": 600, "platform_log_bytes": 400},
            "dynamodb": {"cold": {"wru": 4, "rru": 3}, "warm": {"rru": 1}},
            "websocket": {"invocations": 2, "frames_in": 1, "frames_out": 20, "minutes": 0, "looks": 2, "connection_wru": 2.0},
        }
        rows = {what: fronts for what, _, fronts in costs.infrastructure(needs)}
        for what, front, expected in (
            ("Lambda, requests", "url", "0.0002"), ("Lambda, requests", "websocket", "0.0004"), ("Lambda, time", "url", "0.008333375"),
            ("DynamoDB, writes", "rest", "0.0025"), ("DynamoDB, writes", "websocket", "0.00375"), ("DynamoDB, reads", "rest", "0.000625"), ("API Gateway", "url", "0"), ("API Gateway", "rest", "0.0035"),
            ("API Gateway", "websocket", "0.021"), ("CloudWatch, logs", "url", "0.0005"),
        ):
            self.assertEqual(rows[what][front], Fraction(expected), (what, front))

    def test_tokens_worked_out_by_hand(self):
        model = "bedrock/global.anthropic.claude-sonnet-4-5-20250929"  # 3, 0.3, 3.75 and 15 dollars a million
        rows = costs.tokens({"tokens": {"input": 2000, "output": 400, "models": [{"model": model, "cached": 1800}]}}, PRICES)
        self.assertEqual([value for _, value in rows], [Fraction("12"), Fraction("7.29")])

    def test_small_sums_are_not_rounded_away(self):
        self.assertEqual([costs.dollars(Fraction(x)) for x in ("0", "12", "0.041", "0.00063", "0.0000004")], ["$0", "$12.00", "$0.041", "$0.00063", "$0.00000040"])

    def test_the_page_shows_what_the_script_makes(self):
        page = costs.PAGE.read_text()
        shown = page.split(costs.BEGIN)[1].split(costs.END)[0].strip()
        self.assertEqual(shown, costs.table(NEEDS, PRICES), "deploy/costs.py --update")


if __name__ == "__main__":
    unittest.main()
