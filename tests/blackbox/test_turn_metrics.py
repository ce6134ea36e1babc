"""GET /metrics tells the truth of turns: how they ended, how many run, what their logs hold; and goes back to nothing."""

import unittest

import prometheus_text
from answers import CUT, STALL, Answer, Usage
from fake_upstream import Held
from harness import ServerCase, wait_for
from once_case import key
from ws import WebSocket


class TurnMetricsTest(ServerCase):
    config = {"limits": {"keep_log_ms": 50}}

    def scrape(self):
        kinds, samples = prometheus_text.parse(self.server.get("/metrics").body.decode())
        prometheus_text.check_histograms(kinds, samples)
        return samples

    def gauge(self, name):
        return self.scrape()[f"tertulia_{name}", ()]

    def counted(self, name, **labels):
        return prometheus_text.total(self.scrape(), f"tertulia_{name}_total", **labels)

    def test_turns_are_counted_once_by_their_end(self):
        before = {state: self.counted("turns", state=state) for state in ("completed", "failed", "cancelled")}
        tokens = self.counted("tokens")
        self.upstream.script("counted", Answer("a", usage=Usage(input=100, output=7)))
        for _ in range(3):  # one turn and two replays
            self.server.chat("x", "once", model="openai/counted", headers=key("counted"))
        turn = self.server.history("once")[1]["turn_id"]
        self.server.events("once", turn).finish()
        self.assertEqual(self.counted("tokens") - tokens, 107)
        self.upstream.script("cut", Answer("a", CUT))
        failed = self.server.stream("x", "cut", model="openai/cut")
        failed.finish()
        self.upstream.script("stall", Answer("a", STALL))
        stream = self.server.stream("x", "stall", model="openai/stall")
        stream.until("text.delta")
        self.server.cancel("stall", stream.events[0].json["turn_id"])
        stream.finish()
        for state in before:
            self.assertEqual(self.counted("turns", state=state) - before[state], 1, state)

    def test_gauges_rise_and_come_back(self):
        held = Held("x" * 50_000, "y")
        self.upstream.script("held", held.answer)
        streams = [self.server.stream("x", f"g{i}", model="openai/held") for i in range(3)]
        queued = self.server.stream("x", "g0", model="openai/echo")
        held.next()
        for stream in streams:
            stream.until("text.delta")
        feeds = [self.server.feed("g1") for _ in range(5)]
        socket = WebSocket(self.server.url)
        wait_for(
            lambda: self.gauge("turns_running") in (3, 4), "three turns that run"
        )  # with or without the queued one
        wait_for(lambda: self.gauge("turns_claimed") == 4, "and one that waits")
        wait_for(lambda: self.gauge("turn_log_bytes") > 150_000, "their logs")
        wait_for(lambda: self.gauge("connections") >= 10, "their connections")
        held.rest()
        for stream in (*streams, queued):
            self.assertEqual(stream.finish().name, "turn.completed")
        for name in ("turns_running", "turns_claimed", "turn_log_bytes"):
            wait_for(lambda: self.gauge(name) == 0, f"{name} to come back")
        for reader in (*streams, queued, *feeds):
            reader.close()
        socket.drop()
        wait_for(lambda: self.gauge("connections") <= 1, "the connections to be gone")

    def test_labels_do_not_grow_with_sessions_and_turns(self):
        answers = [self.server.chat("x", f"made-up-{i}").json for i in range(5)]
        for answer in answers:
            self.server.turn(answer["session_id"], answer["turn_id"])
            self.server.events(answer["session_id"], answer["turn_id"]).finish()
            self.server.cancel(answer["session_id"], answer["turn_id"])
            self.server.go_on(answer["session_id"], answer["turn_id"])
        text = self.server.get("/metrics").body.decode()
        self.assertNotIn("made-up", text)
        self.assertEqual([a["turn_id"] for a in answers if a["turn_id"] in text], [])
        self.assertIn("/sessions/{id}/turns/{turn}", text)


if __name__ == "__main__":
    unittest.main()
