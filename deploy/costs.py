#!/usr/bin/env python3
"""What 1000 turns cost on AWS, as a table for docs/deploy-aws.md: what a turn needs times published prices, tokens included.

    deploy/costs.py            the table
    deploy/costs.py --update   puts it into docs/deploy-aws.md, between its two marks

What a turn needs is in deploy/needs.json: measured (deploy/measure.py, bench/dynamodb_bench.cpp) where `measured` says so, the rest assumed; the prices
are below, those of models in src/tertulia/billing/prices.json. Money is reckoned in millionths of a dollar and exactly (fractions).
"""

import json
import pathlib
import sys
from fractions import Fraction

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "deploy-aws.md"
BEGIN, END = "<!-- costs: made by deploy/costs.py -->", "<!-- end of costs -->"

TURNS = 1000
MILLION = 1_000_000

# Dollars, us-east-1, as published in November 2026; without free tiers. A price for a million of something is per MILLION.
PRICES = {
    "lambda request": Fraction("0.20") / MILLION,
    "lambda GB-s arm64": Fraction("0.0000133334"),
    "lambda GB-s x86_64": Fraction("0.0000166667"),
    "dynamodb write unit": Fraction("0.625") / MILLION,
    "dynamodb read unit": Fraction("0.125") / MILLION,
    "dynamodb GB-month": Fraction("0.25"),
    "dynamodb backup GB-month": Fraction("0.20"),
    "rest request": Fraction("3.50") / MILLION,
    "websocket message": Fraction("1.00") / MILLION,  # for each 32 KB begun
    "websocket connection-minute": Fraction("0.25") / MILLION,
    "express request": Fraction("1.00") / MILLION,
    "express GB-s": Fraction("0.00001667"),
    "log GB": Fraction("0.50"),
    "metric-month": Fraction("0.30"),
    "alarm-month": Fraction("0.10"),
    "dashboard-month": Fraction("3.00"),
    "secret-month": Fraction("0.40"),
}


def model_price(prices, model):
    """Dollars per token by class."""
    row = prices["prices"][model]
    return {kind: Fraction(row[kind]) / MILLION for kind in ("input", "cache_read", "cache_write", "output")}


def dollars(value):
    """Two significant digits: nobody knows more beforehand."""
    if value == 0:
        return "$0"
    digits = 2
    while value < Fraction(1, 10 ** (digits - 1)):
        digits += 1
    return f"${float(value):.{digits}f}"


def infrastructure(m):
    """[(what, how it is reckoned, {front: dollars})] for TURNS turns; `m` is needs.json."""
    p, turn, store, socket = PRICES, m["turn"], m["dynamodb"], m["websocket"]
    fronts = ("url", "rest", "websocket")
    memory = Fraction(turn["memory_mb"], 1024)
    seconds = Fraction(str(turn["seconds"])) + Fraction(turn["overhead_ms"], 1000)
    log_bytes = turn["log_bytes"] + turn["platform_log_bytes"]
    everywhere = lambda value: {front: value for front in fronts}
    invocations = {"url": 1, "rest": 1, "websocket": socket["invocations"]}
    in_and_out = socket["frames_in"] + socket["frames_out"]
    number = lambda value: Fraction(str(value))
    writes = {f: number(store["cold"]["wru"]) + (number(socket["connection_wru"]) if f == "websocket" else 0) for f in fronts}
    reads = number(store["cold"]["rru"]) + socket["looks"]
    return [
        ("Lambda, requests", f"1; WebSocket {socket['invocations']} (the frame, its worker, connecting and leaving)", {f: TURNS * n * p["lambda request"] for f, n in invocations.items()}),
        ("Lambda, time", f"{turn['memory_mb']} MB arm64 for {turn['seconds']} s, waiting for the model, and {turn['overhead_ms']} ms", everywhere(TURNS * memory * seconds * p["lambda GB-s arm64"])),
        ("DynamoDB, writes", f"{store['cold']['wru']} units; WebSocket {socket['connection_wru']:g} more for the connection", {f: TURNS * units * p["dynamodb write unit"] for f, units in writes.items()}),
        ("DynamoDB, reads", f"{store['cold']['rru']} units cold ({store['warm']['rru']} warm), {socket['looks']} to look for subscribers", everywhere(TURNS * reads * p["dynamodb read unit"])),
        ("API Gateway", f"REST: 1 request; WebSocket: {socket['frames_in']} message in, {socket['frames_out']} out, {socket['minutes']} minute connected",
         {"url": Fraction(0), "rest": TURNS * p["rest request"], "websocket": TURNS * (in_and_out * p["websocket message"] + socket["minutes"] * p["websocket connection-minute"])}),
        ("CloudWatch, logs", f"{turn['log_bytes']} bytes, and {turn['platform_log_bytes']} of Lambda's own", everywhere(TURNS * Fraction(log_bytes, 10**9) * p["log GB"])),
    ]


def tokens(m, prices):
    """[(what, dollars)]: the models, and the same turn with the prompt cache where the prompt is long enough for the model's."""
    t, rows = m["tokens"], []
    for row in t["models"]:
        price, cached = model_price(prices, row["model"]), row["cached"]
        answer = t["output"] * price["output"]
        rows.append((f"{t['input']} tokens in, {t['output']} out, `{row['model']}`", TURNS * (t["input"] * price["input"] + answer)))
        if cached:
            prompt = cached * price["cache_read"] + (t["input"] - cached) * price["cache_write"]
            rows.append((f"the same, {cached} of them from the prompt cache", TURNS * (prompt + answer)))
    return rows


def monthly(m):
    """[(what, dollars)] of what costs by the month, used or not."""
    n, p = m["monthly"], PRICES
    stored = Fraction(m["dynamodb"]["stored_bytes"] * TURNS, 10**9)
    return [
        (f"{n['metrics']} metrics (with {n['models']} models; one more is {n['metrics_per_model']} more), {n['alarms']} alarms, the dashboard",
         n["metrics"] * p["metric-month"] + n["alarms"] * p["alarm-month"] + p["dashboard-month"]),
        ("a secret in Secrets Manager (a parameter in SSM: $0)", p["secret-month"]),
        (f"1000 stored turns, {m['dynamodb']['stored_bytes']} bytes each, with backups", stored * (p["dynamodb GB-month"] + p["dynamodb backup GB-month"])),
    ]


def workflow(m):
    """Step Functions' own part of 1000 executions."""
    w = m["workflow"]
    return TURNS * (PRICES["express request"] + Fraction(str(w["seconds"])) * Fraction(64, 1024) * PRICES["express GB-s"])


def table(needs, prices):
    rows = infrastructure(needs)
    lines = ["| per 1000 turns | reckoned from | Function URL | REST | WebSocket |", "|---|---|---|---|---|"]
    for what, how, by_front in rows:
        lines.append(f"| {what} | {how} | {' | '.join(dollars(by_front[f]) for f in ('url', 'rest', 'websocket'))} |")
    totals = {f: sum(by_front[f] for _, _, by_front in rows) for f in ("url", "rest", "websocket")}
    lines.append(f"| **all of AWS** | | {' | '.join(f'**{dollars(totals[f])}**' for f in ('url', 'rest', 'websocket'))} |")
    for what, value in tokens(needs, prices):
        lines.append(f"| **tokens** | {what} | {' | '.join([f'**{dollars(value)}**'] * 3)} |")
    lines += ["", "| by the month, used or not | |", "|---|---|"]
    lines += [f"| {what} | {dollars(value)} |" for what, value in monthly(needs)]
    seconds = needs["workflow"]["seconds"]
    lines += ["", f"1000 executions of a workflow of {seconds} s cost {dollars(workflow(needs))} at Step Functions, beside their turns and calls."]
    return "\n".join(lines)


def main():
    needs = json.loads((ROOT / "deploy" / "needs.json").read_text())
    made = table(needs, json.loads((ROOT / "src" / "tertulia" / "billing" / "prices.json").read_text()))
    if "--update" not in sys.argv[1:]:
        print(made)
        return
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
