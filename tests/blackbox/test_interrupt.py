"""on_busy: interrupt; and everything at once to one session."""

import threading
import time
import unittest

from answers import STALL, Answer
from busy_case import BusyCase
from fake_upstream import Gate
from hammer import ANSWER, Hammer
from harness import wait_for


class InterruptTest(BusyCase):
    def test_the_running_turn_ends_as_cancelled_with_what_it_said(self):
        self.upstream.script("endless", Answer("half ", "said", STALL))
        first = self.server.stream("one", "i", model="openai/endless")
        turn = first.next().json["turn_id"]
        first.until("text.delta"), first.until("text.delta")
        sent = time.monotonic()
        answer = self.assert_answer(self.server.chat("two", "i", model="openai/i-next", on_busy="interrupt"))
        self.assertEqual(answer["conversation_length"], 4)
        cancelled = first.finish()
        self.assertEqual((cancelled.name, cancelled.json["partial"]), ("turn.cancelled", "half said"))
        request = self.upstream.asked("endless")[0]
        wait_for(lambda: request.peer_gone, "the interrupted call to be closed")
        self.assertLess(request.gone_at - sent, 1)
        messages = self.assert_alternating("i")
        self.assertEqual((messages[1]["content"], messages[1]["state"]), ("half said", "cancelled"))
        self.assertEqual(self.server.turn("i", turn).json["state"], "cancelled")
        shown = self.upstream.asked("i-next")[0].messages
        self.assertEqual((shown[0], shown[-1]), (("user", "one"), ("user", "two")))

    def test_one_who_waits_for_json(self):
        gate = Gate()
        self.upstream.script("waited", Answer("some", gate, STALL))
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(self.server.chat("one", "ij", model="openai/waited")))
        waiter.start()
        gate.wait_reached()
        turn = wait_for(lambda: self.server.page("ij").json.get("running"), "the turn")
        wait_for(lambda: self.server.turn("ij", turn).json["message"] == "some", "its text")
        self.assert_answer(self.server.chat("two", "ij", model="openai/echo", on_busy="interrupt"))
        waiter.join(20)
        body = self.assert_error(answers[0], 409, "conflict")
        self.assertEqual((body["partial"], answers[0].headers["x-should-retry"]), ("some", "false"))
        gate.open()

    def test_before_the_first_word(self):
        gate = Gate()
        self.upstream.script("mute", Answer(before=[gate]))
        first = self.server.stream("one", "mute", model="openai/mute")
        gate.wait_reached()
        self.assert_answer(self.server.chat("two", "mute", model="openai/echo", on_busy="interrupt"))
        self.assertEqual(first.finish().name, "turn.cancelled")
        messages = self.assert_alternating("mute")
        self.assertEqual([m["content"] for m in messages][:3], ["one", "", "two"])
        gate.open()

    def test_with_others_waiting_all_come_to_an_end(self):
        gate, first = self.held("crowded", "crowded-held")
        waiting = [self.server.stream(str(i), "crowded", model="openai/echo") for i in range(3)]
        self.assertEqual([s.next().name for s in waiting], ["turn.queued"] * 3)
        interrupting = self.server.stream("now", "crowded", model="openai/echo", on_busy="interrupt")
        self.assertEqual(first.finish().name, "turn.cancelled")
        self.assertEqual([s.finish().name for s in [*waiting, interrupting]], ["turn.completed"] * 4)
        self.assertEqual(len(self.assert_alternating("crowded")), 10)
        gate.open()

    def test_nothing_runs(self):
        self.assert_answer(self.server.chat("x", "idle", on_busy="interrupt"), "[1] x")

    def test_a_chain_of_interruptions(self):
        self.upstream.script("chain", Answer("said", STALL))
        streams = []
        for i in range(6):
            streams.append(self.server.stream(str(i), "chain", model="openai/chain", on_busy="interrupt"))
            streams[-1].until("text.delta")
        last = self.assert_answer(self.server.chat("end", "chain", model="openai/echo", on_busy="interrupt"))
        self.assertEqual(last["conversation_length"], 14)
        self.assertEqual([s.finish().name for s in streams], ["turn.cancelled"] * 6)
        self.assertEqual(
            [m["state"] for m in self.assert_alternating("chain")][1::2], ["cancelled"] * 6 + ["completed"]
        )


class HammerTest(BusyCase):
    config = {"limits": {"queue_per_session": 8}}

    def test_everything_at_once_to_one_session(self):
        self.upstream.script("hammered", ANSWER)
        hammer = Hammer(self, self.server, "hammered", clients=60, messages=3)
        hammer.strike()
        self.assertGreater(len(hammer.check()), 20)
        self.assertEqual({status for _, status, _ in hammer.told}, {200, 409})


if __name__ == "__main__":
    unittest.main()
