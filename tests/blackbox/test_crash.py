"""kill -9 in mid-stream: what was stored is the truth, readers are told, no number is used twice."""

import unittest

from answers import CUT, STALL, Answer, Thinking
from crash_case import NEVER_BYTES, NEVER_MS, PIECES, SOON, CrashCase, saved_pieces, wait_saved

SETTINGS = {
    "soon": SOON,
    "by size": {"interval_ms": 5000, "bytes": 24},  # at most ten such writes an interval
    "too late": {"interval_ms": NEVER_MS, "bytes": NEVER_BYTES},  # after the first, which is not held back
    "off": {"interval_ms": 0},
}


class ReaderTest(CrashCase):
    def test_a_reader_gets_what_was_stored_and_then_the_end(self):
        for name, checkpoints in SETTINGS.items():
            with self.subTest(name):
                stored = self.cut_off(checkpoints, shown=6)
                if name == "soon":
                    self.assertEqual(stored, "".join(PIECES[:6]))
                elif name == "by size":
                    self.assertGreaterEqual(len(stored.encode()), 24)
                elif name == "too late":
                    self.assertLess(len(stored), len("".join(PIECES[:6])))
                else:
                    self.assertEqual(stored, "")
                self.check_readers(stored)
                self.assertEqual(self.server.stop(), 0)

    def check_readers(self, stored):
        """Every place that a reader may have come to: before the stored place, at it, behind it."""
        seen = self.stream.seen
        last = max(self.number(id_) for id_, _, _ in seen)
        whole = self.read().seen
        self.assertEqual(whole[-1][1], "turn.interrupted")
        self.assertEqual(whole[:-1], seen[: len(whole) - 1], "what was stored, as it was")
        self.assertEqual("".join(data["text"] for _, name, data in whole if name == "text.delta"), stored)
        self.assertGreater(self.number(whole[-1][0]), last, "a number was used twice")
        end = whole[-1][2]
        self.assertTrue(end["code"] and end["error"] and end["message"], end)
        self.assertEqual((end["session_id"], end["turn_id"], end["partial"]), (self.session, self.turn_id, stored))
        shown = ""
        for place, (id_, name, data) in enumerate(seen):
            shown += data["text"] if name == "text.delta" else ""
            reader = self.read(id_)
            events = reader.seen
            self.assertEqual(events[-1], whole[-1], f"after {id_}")
            if place < len(whole) - 1:  # it was stored
                self.assertEqual(events, whole[place + 1 :], f"after {id_}")
                self.assertEqual(shown + reader.text, stored)
            else:
                self.assertEqual([name for _, name, _ in events], ["text.replaced", "turn.interrupted"], f"after {id_}")
                self.assertEqual(events[0][2], {"text": stored})
                self.assertTrue(last < self.number(events[0][0]) < self.number(events[1][0]), events)
                again = self.server.events(self.session, self.turn_id, events[0][0])  # broken between those two
                again.finish()
                self.assertEqual(again.seen, events[1:])
        self.assertEqual(self.server.events(self.session, self.turn_id, whole[-1][0]).status, 204)

    def test_thinking_that_was_stored_is_shown_again(self):
        pieces = (Thinking("hm, "), Thinking("数"), "a ", "b ", "c")
        stored = self.cut_off(SOON, pieces, shown=4, provider="anthropic")
        self.assertEqual(stored, "a b ")
        self.assertEqual(self.read().seen[:-1], self.stream.seen)

    def test_a_crash_before_any_answer_text(self):
        for name, checkpoints in SETTINGS.items():
            with self.subTest(name):
                self.assertEqual(self.cut_off(checkpoints, shown=0, settled=False), "")
                reader = self.read(self.stream.seen[-1][0])
                self.assertEqual([name for _, name, _ in reader.seen], ["turn.interrupted"])
                self.assertEqual(self.server.stop(), 0)

    def test_a_second_and_a_third_crash_change_nothing(self):
        stored = self.cut_off(SOON, shown=5)
        whole = self.read().seen
        for _ in range(2):
            self.crash()
            self.assertEqual(self.read().seen, whole)
            self.assertEqual(self.server.history(self.session)[1]["content"], stored)

    def test_the_turn_says_that_it_was_interrupted(self):
        stored = self.cut_off(SOON, shown=3)
        answer = self.server.turn(self.session, self.turn_id)
        self.assertEqual(answer.status, 200)
        body = answer.json
        self.assertEqual((body["state"], body["message"]), ("interrupted", stored))
        self.assert_error_body(body["error_details"], body["error_details"]["code"])
        page = self.server.page(self.session).json
        self.assertIsNone(page["running"])

    def test_many_turns_at_once(self):
        """Every one is closed, with a prefix of its text, and the next message is answered."""
        self.begin(SOON, shown=2)
        streams = []
        for i in range(12):
            self.upstream.script(f"many{i}", Answer(*(f"{i}-{n} " for n in range(1 + i * 7)), STALL))
            streams.append(self.server.stream("x", f"m{i}", model=f"openai/many{i}"))
            for _ in range(1 + i * 7):
                streams[-1].until("text.delta")
        self.crash()
        for i, stream in enumerate(streams):
            stream.close()
            user, assistant = self.server.history(f"m{i}")
            self.assertEqual((user["content"], assistant["state"]), ("x", "interrupted"))
            self.assertTrue(stream.text.startswith(assistant["content"]))
            answer = self.server.chat("next", f"m{i}", model="openai/echo")
            self.assertEqual(self.assert_answer(answer)["conversation_length"], 4)

    def test_no_checkpoint_stays_when_turns_have_ended(self):
        self.begin(SOON, shown=4)
        self.upstream.script("cut", Answer("a", "b", CUT))
        wait_saved(self.database)  # so that there is one to remove
        self.server.chat("x", "failed", model="openai/cut")
        self.held.rest()
        self.assertEqual(self.stream.finish().name, "turn.completed")
        self.assertEqual(self.server.stop(), 0)
        saved = saved_pieces(self.database)
        self.assertTrue(saved, "where are they kept?")
        self.assertEqual(list(saved.values()), [[]] * len(saved))

    def test_a_queued_message_is_not_part_of_the_session_yet(self):
        self.begin(SOON, shown=1)
        queued = self.server.stream("second", self.session, model="openai/never")
        self.assertEqual(queued.next().name, "turn.queued")
        self.crash()
        self.assertEqual([m["content"] for m in self.server.history(self.session)][::2], ["Tell me."])
        self.assertEqual(self.upstream.asked("never"), [])
        self.assertEqual(self.server.turn(self.session, queued.events[0].json["turn_id"]).status, 404)


class NumbersTest(CrashCase):
    """No number means two things, over many crashes and for every reader."""

    def test_over_many_rounds(self):
        self.begin(SOON, shown=1)
        known = {}

        def note(events):
            for id_, name, data in events:
                self.assertEqual(known.setdefault(id_, (name, data)), (name, data), id_)

        note(self.stream.seen)
        for round_number in range(5):
            streams = []
            for i in range(6):
                model = f"r{round_number}-{i}"
                self.upstream.script(model, Answer(*(f"{n} " for n in range(i * round_number * 9 + 1)), STALL))
                streams.append(self.server.stream("x", model, model=f"openai/{model}"))
            for i, stream in enumerate(streams):
                for _ in range(i * round_number * 9 + 1):
                    stream.until("text.delta")
            self.crash()
            for stream in streams:
                stream.close()
                note(stream.seen)
                started = stream.seen[0][2]
                turn, session = started["turn_id"], started["session_id"]
                for after in (None, stream.seen[0][0], stream.seen[-1][0]):
                    reader = self.server.events(session, turn, after)
                    reader.finish()
                    note(reader.seen)
                    numbers = [int(id_.rpartition(":")[2]) for id_, _, _ in reader.seen]
                    self.assertEqual(numbers, sorted(set(numbers)))


if __name__ == "__main__":
    unittest.main()
