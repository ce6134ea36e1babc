"""The shared recordings of real providers, as answers of the fake upstream: one item for each server-sent event."""

import base64
import json
import os
import unittest

from answers import Raw
from server import ROOT

FOLDER = ROOT / os.environ.get("TERTULIA_TEST_DATA", "../shared/data") / "recordings"
DELTAS = ('"text_delta"', '"thinking_delta"', '"content":"')


def items(name):
    """(provider, [Raw]) of a recorded stream; the calling test is skipped where there are no recordings (but not in CI)."""
    file = FOLDER / f"{name}.json"
    if not file.exists() and os.environ.get("CI") != "true":
        raise unittest.SkipTest(f"no recordings at {FOLDER}")
    recording = json.loads(file.read_text())
    body = base64.b64decode(recording["response"]["body_base64"])
    provider = {"messages": "anthropic", "chat": "openai"}[recording["api"]]
    return provider, [Raw(part + b"\n\n") for part in body.replace(b"\r\n", b"\n").split(b"\n\n") if part.strip()]


def is_delta(item):
    """Does this piece of a recording become an event of ours that carries text?"""
    text = item.data.decode()
    return any(mark in text for mark in DELTAS) and '"content":""' not in text


def steps(pieces):
    """The pieces joined so that each but the last ends with exactly one delta."""
    joined, out = b"", []
    for piece in pieces:
        joined += piece.data
        if is_delta(piece):
            out.append(Raw(joined))
            joined = b""
    return [*out, Raw(joined)]
