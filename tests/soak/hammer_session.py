#!/usr/bin/env python3
"""Two hundred clients at one session, ten messages each: its history must alternate and say what they were told."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))
from hammer import ANSWER, Hammer  # noqa: E402
from harness import ServerCase, raise_open_file_limit  # noqa: E402


class HammerSoak(ServerCase):
    config = {"limits": {"queue_per_session": 100, "queue_wait_ms": 60_000}}

    @classmethod
    def setUpClass(cls):
        raise_open_file_limit()
        super().setUpClass()

    def test_one_order(self):
        self.upstream.script("hammered", ANSWER)
        hammer = Hammer(self, self.server, "hammered", clients=200, messages=10)
        hammer.strike()
        messages = hammer.check()
        print(f"{len(hammer.told)} answers to 200 clients, {len(messages)} messages in perfect order", flush=True)


if __name__ == "__main__":
    unittest.main()
