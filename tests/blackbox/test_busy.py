"""on_busy: a second message while a turn runs is queued or refused; a turn's deadline begins when its turn comes."""

import threading
import unittest

from answers import Answer, Pause
from busy_case import BusyCase
from hammer import POLICIES
from harness import wait_for


class QueueTest(BusyCase):
    config = {"limits": {"heartbeat_ms": 60}}

    def test_the_second_is_told_at_once_and_kept_alive(self):
        gate, first = self.held("q", "q-held")
        second = self.server.stream("two", "q", model="openai/q-next")
        queued = second.next()
        self.assertEqual(queued.name, "turn.queued")
        turn = queued.json["turn_id"]
        self.assertEqual((queued.json["session_id"], queued.id), ("q", f"{turn}:1"))
        for _ in range(3):
            self.assertEqual(second.until(":").data, "heartbeat")
        self.assertEqual(self.contents("q")[:1], ["one"])
        self.assertNotIn("two", self.contents("q"))
        self.assertEqual(self.server.turn("q", turn).json["state"], "queued")
        self.assertEqual(self.server.page("q").json["running"], first.events[0].json["turn_id"])
        self.assertEqual(self.upstream.asked("q-next"), [])
        joined = self.server.events("q", turn)
        self.assertEqual(joined.next().id, queued.id)
        gate.open()
        first.finish()
        self.assertEqual(second.finish().name, "turn.completed")
        self.assertEqual([name for _, name, _ in second.seen][:2], ["turn.queued", "turn.started"])
        self.assertEqual(second.seen[1][2]["turn_id"], turn)
        numbers = [int(id_.rpartition(":")[2]) for id_, _, _ in second.seen]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        joined.finish()
        self.assertEqual(joined.seen, second.seen)
        self.assertEqual(self.contents("q"), ["one", "ab", "two", "[3] two"])
        replay = self.server.events("q", turn)
        replay.finish()
        self.assertEqual(replay.seen, second.seen, "turn.queued is part of the turn")

    def test_a_turn_that_need_not_wait_is_not_queued(self):
        stream = self.server.stream("x", "free")
        self.assertEqual(stream.next().name, "turn.started")
        stream.finish()

    def test_what_the_model_is_shown_is_the_session_when_its_turn_comes(self):
        gate, first = self.held("shown", "s-held")
        waiting = [self.server.stream(str(i), "shown", model="openai/s-next") for i in range(3)]
        for stream in waiting:
            self.assertEqual(stream.next().name, "turn.queued")
        gate.open()
        first.finish()
        for stream in waiting:
            stream.finish()
        self.assertEqual(
            self.upstream.asked("s-next")[-1].messages,
            [("user", "one"), ("assistant", "ab"), ("user", "0"), ("assistant", "[3] 0"), ("user", "1")]
            + [("assistant", "[5] 1"), ("user", "2")],
        )
        self.assert_alternating("shown")

    def test_a_queued_turn_can_be_cancelled_and_writes_nothing(self):
        gate, first = self.held("qc", "qc-held")
        stream = self.server.stream("two", "qc", model="openai/qc-next")
        turn = stream.next().json["turn_id"]
        answers = []
        waiter = threading.Thread(
            target=lambda: answers.append(self.server.chat("three", "qc", model="openai/qc-third"))
        )
        waiter.start()
        response = self.server.cancel("qc", turn)
        self.assertEqual((response.status, response.json["state"]), (200, "cancelled"))
        self.assertEqual(stream.finish().name, "turn.cancelled")
        gate.open()
        first.finish()
        waiter.join(20)
        self.assert_answer(answers[0])
        self.assertEqual(self.contents("qc"), ["one", "ab", "three", "[3] three"])
        self.assertEqual(self.upstream.asked("qc-next"), [])

    def test_a_client_that_leaves_the_queue(self):
        """finish: its message is sent when its turn comes. cancel: it never was."""
        for policy in ("finish", "cancel"):
            with self.subTest(policy):
                session = "leaves-" + policy
                gate, first = self.held(session, session)
                second = self.server.stream("two", session, model="openai/next", on_disconnect=policy)
                turn = second.next().json["turn_id"]
                second.close()
                if policy == "cancel":
                    wait_for(lambda: self.server.turn(session, turn).json.get("state") != "queued", "it to be given up")
                gate.open()
                first.finish()
                if policy == "finish":
                    wait_for(lambda: len(self.contents(session)) == 4, "the second message")
                self.server.wait_idle(session)
                self.assertEqual("two" in self.contents(session), policy == "finish")


class LimitsTest(BusyCase):
    config = {"limits": {"queue_wait_ms": 500, "queue_per_session": 2, "heartbeat_ms": 60}}

    def assert_refused(self, response):
        self.assert_error(response, 409, "conflict")
        self.assertGreater(int(response.headers["retry-after-ms"]), 0)

    def test_a_stream_that_was_queued_too_long(self):
        gate, first = self.held("long", "long-held")
        second = self.server.stream("two", "long")
        queued = second.next()
        self.assertEqual(queued.name, "turn.queued")
        failed = second.finish()
        self.assertEqual(failed.name, "turn.failed")
        self.assertTrue(0.3 <= failed.at - queued.at < 5, failed.at - queued.at)
        self.assert_error_body(failed.json, "conflict")
        self.assertGreater(failed.json["retry_after_ms"], 0)
        turn = self.server.turn("long", queued.json["turn_id"])
        self.assertIn(turn.status, (200, 404))
        if turn.status == 200:
            self.assertEqual(turn.json["state"], "failed")
        self.assert_refused(self.server.chat("three", "long"))
        gate.open()
        first.finish()
        self.assertEqual(self.contents("long"), ["one", "ab"])

    def test_beyond_the_queue(self):
        gate, first = self.held("full", "full-held")
        waiting = [self.server.stream(str(i), "full") for i in range(2)]
        self.assertEqual([s.next().name for s in waiting], ["turn.queued"] * 2)
        self.assert_refused(self.server.chat("too many", "full"))
        self.assert_refused(self.server.stream("too many", "full"))  # a plain 409: nothing had been sent
        gate.open()
        first.finish()
        self.assertEqual([s.finish().name for s in waiting], ["turn.completed"] * 2)
        self.assertEqual(self.contents("full")[::2], ["one", "0", "1"])


class RejectTest(BusyCase):
    def test_it_is_refused_and_nothing_written(self):
        gate, first = self.held("r", "r-held")
        for send in (self.server.chat, self.server.stream):
            response = send("two", "r", model="openai/r-next", on_busy="reject")
            self.assert_error(response, 409, "conflict")
            self.assertGreater(int(response.headers["retry-after-ms"]), 0)
        self.assertEqual(self.upstream.asked("r-next"), [])
        gate.open()
        first.finish()
        self.assertEqual(self.contents("r"), ["one", "ab"])
        self.assert_answer(self.server.chat("two", "r", model="openai/r-next", on_busy="reject"), "[3] two")

    def test_other_sessions_are_not_busy(self):
        gate, first = self.held("r1", "r1-held")
        self.assert_answer(self.server.chat("x", "r2", on_busy="reject"))
        gate.open()
        first.finish()

    def test_values(self):
        for policy in (*POLICIES, None):
            self.assert_answer(self.server.chat("x", "values", on_busy=policy))
        for wrong in ("", "QUEUE", "wait", 7, True, ["queue"]):
            with self.subTest(wrong):
                self.assert_error(self.server.chat("x", "values", on_busy=wrong), 400, "invalid_request", "on_busy")


class ConfiguredTest(BusyCase):
    config = {"on_busy": "reject"}

    def test_the_configuration_sets_the_default_and_the_request_goes_before(self):
        gate, first = self.held("c", "c-held")
        self.assert_error(self.server.chat("two", "c"), 409, "conflict")
        second = self.server.stream("two", "c", on_busy="queue")
        self.assertEqual(second.next().name, "turn.queued")
        gate.open()
        first.finish(), second.finish()
        self.assertEqual(self.contents("c")[::2], ["one", "two"])


class DeadlineTest(BusyCase):
    config = {"deadlines": {"turn_ms": 2000}}

    def test_a_turns_deadline_begins_when_its_turn_comes(self):
        """Each takes 1.2 of the 2.0 seconds; the third comes after 2.4."""
        self.upstream.script("slow", Answer("a", Pause(1.2), "b"))
        streams = []
        for i in range(3):
            streams.append(self.server.stream(str(i), "slow", model="openai/slow"))
            streams[-1].next()
        self.assertEqual([s.finish().name for s in streams], ["turn.completed"] * 3)
        self.assertEqual(len(self.assert_alternating("slow")), 6)


if __name__ == "__main__":
    unittest.main()
