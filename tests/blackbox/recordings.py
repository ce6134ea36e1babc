"""The shared recordings of real providers, as answers of the fake upstream: one item for each server-sent event."""

import base64
import json
import os
import unittest

from answers import Raw
from server import ROOT

FOLDER = ROOT / os.environ.get("TERTULIA_TEST_DATA", "../shared/data") / "recordings"


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
    for line in item.data.decode().splitlines():
        if line.startswith("data: {"):
            data = json.loads(line.removeprefix("data: "))
            deltas = [data.get("delta"), *(choice.get("delta") for choice in data.get("choices", []))]
            if any(delta.get(member) for delta in deltas if delta for member in ("text", "thinking", "content")):
                return True
    return False


def steps(pieces):
    """The pieces joined so that each but the last ends with exactly one delta."""
    joined, out = b"", []
    for piece in pieces:
        joined += piece.data
        if is_delta(piece):
            out.append(Raw(joined))
            joined = b""
    return [*out, Raw(joined)]
