"""The requests that we would send for the cases of cases.json, as the built program prints them.

TERTULIA_REQUEST_BODIES names it (ctest sets it); without it the one in build/dev is used.
"""

import functools
import json
import os
import pathlib
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = os.environ.get("TERTULIA_REQUEST_BODIES") or str(ROOT / "build/dev/tests/oracles/request_bodies")
DATA = pathlib.Path(os.environ.get("TERTULIA_TEST_DATA") or ROOT / "../shared/data")


@functools.cache
def cases():
    """By name, in their order."""
    return {case["name"]: case for case in json.loads((HERE / "cases.json").read_text())}


@functools.cache
def printed():
    out = subprocess.run([PROGRAM, str(HERE / "cases.json")], check=True, capture_output=True).stdout.decode()
    return [json.loads(line) for line in out.split("\n") if line]


def requests(target):
    """[(case, the printed object with its `body` parsed)] of this target; a space ends a target's first word."""
    found = [
        (cases()[line["case"]], line | {"body": json.loads(line["body"]), "bytes": line["body"].encode()})
        for line in printed()
        if line["target"] == target or line["target"].startswith(target + " ")
    ]
    assert len(found) >= len(cases()), target
    return found


def missing(what):
    """A test that cannot run is left out with one line that says why; in CI it fails."""
    if os.environ.get("CI") == "true":
        raise AssertionError(what)
    raise unittest.SkipTest("left out: " + what)
