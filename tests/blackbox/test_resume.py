"""A reader that is cut anywhere and comes back sees what an undisturbed one sees: live, from memory, from the store."""

import unittest

import recordings
from answers import CUT, STALL, Answer, Thinking, Tool, Usage
from client import open_events
from fake_upstream import Gate, Held
from harness import ServerCase, turn_path, wait_for

# What text events must carry whole: many bytes in a character, line ends, what looks like the format itself.
OWN = ("Grüße, ", "日本", "語 😀\n", "\n", "\ndata: x\n\n", "id: 7\r\n", ": no comment", " ", "\t", "\u2028", "end")
RECORDED = (
    "anthropic-messages-stream-text-non-ascii",
    "anthropic-messages-stream-thinking-long",
    "openai-chat-stream-usage",
)
FORGET_AT_ONCE = {"limits": {"keep_log_ms": 1}}
DELTAS = ("text.delta", "thinking.delta")


def own_items():
    return [Thinking("hm, "), Thinking("数"), *OWN]


class CutCase(ServerCase):
    """Comparisons that several classes need."""

    def play(self, model, *items, session=None, provider="openai", **options):
        """A finished turn of these items: (session, turn, all that its reader saw)."""
        self.upstream.script(model, Answer(*items, **options))
        stream = self.server.stream("go on", session, model=f"{provider}/{model}")
        stream.finish()
        self.assertEqual(stream.seen[-1][1], "turn.completed", stream.seen[-1])
        started = stream.seen[0][2]
        return started["session_id"], started["turn_id"], stream.seen

    def recorded(self, name):
        try:
            provider, pieces = recordings.items(name)
        except unittest.SkipTest as reason:
            self.skipTest(str(reason))
        return self.play(name, *pieces, provider=provider, bare=True)

    def assert_resumes(self, server, session, turn, whole):
        """From the beginning, and after every event: exactly the rest, and nothing twice."""
        self.assertEqual(self.rest(server, session, turn, None), whole)
        for place, (id_, _, _) in enumerate(whole[:-1]):
            self.assertEqual(self.rest(server, session, turn, id_), whole[place + 1 :], f"after {id_}")
        response = server.events(session, turn, whole[-1][0])
        self.assertEqual((response.status, response.body), (204, b""), "after the last event")

    def rest(self, server, session, turn, after):
        stream = server.events(session, turn, after)
        self.assertTrue(hasattr(stream, "finish"), getattr(stream, "body", None))
        stream.finish()
        return stream.seen


class ResumeTest(CutCase):
    def test_every_cut_of_a_finished_turn(self):
        self.assert_resumes(self.server, *self.play("own", *own_items(), usage=Usage(3, 0, 0, 9)))
        self.assert_resumes(self.server, *self.play("tool", "a", Tool("f", ('{"x"', ":1}")), provider="anthropic"))

    def test_every_cut_of_recorded_turns(self):
        for name in RECORDED:
            with self.subTest(name):
                self.assert_resumes(self.server, *self.recorded(name))

    def check_live(self, model, provider, pieces, **options):
        """A second reader is cut after every event; a third kind begins after each and stays to the end."""
        held = Held(*pieces, **options)
        self.upstream.script(model, held.answer)
        undisturbed = self.server.stream("live", model=f"{provider}/{model}")
        started = undisturbed.next()
        session, turn = started.json["session_id"], started.json["turn_id"]
        stayed, hopping, last = [(started.id, self.server.events(session, turn, started.id))], [], None
        for _ in pieces[:-1]:
            held.next()
            event = undisturbed.until(*DELTAS)
            while last != event.id:  # one event a connection, then it breaks
                reader = self.server.events(session, turn, last)
                hopping.append((one := reader.next()).id)
                last = one.id
                reader.close()
            stayed.append((event.id, self.server.events(session, turn, event.id)))
        held.rest()
        undisturbed.finish()
        whole = undisturbed.seen
        self.assertEqual(whole[-1][1], "turn.completed")
        ids = [id_ for id_, _, _ in whole]
        self.assertEqual(hopping, ids[: len(hopping)])
        for after, reader in stayed:
            reader.finish()
            self.assertEqual(reader.seen, whole[ids.index(after) + 1 :], f"after {after}")
            reader.close()
        self.assert_resumes(self.server, session, turn, whole)

    def test_every_cut_of_a_running_turn(self):
        self.check_live("live-own", "openai", own_items())

    def test_every_cut_of_running_recorded_turns(self):
        for name in RECORDED:
            with self.subTest(name):
                provider, pieces = recordings.items(name)
                self.check_live(name, provider, recordings.steps(pieces), bare=True)

    def test_the_first_connection_cut_after_every_event(self):
        whole, items = self.play("cut-first", *own_items())[2], own_items()
        for place in range(len(items) + 1):
            gate = Gate()  # behind what the first connection is to see
            self.upstream.script("cut-first", Answer(*items[:place], gate, *items[place:]))
            stream = self.server.stream("go on", model="openai/cut-first")
            for _ in range(place + 1):
                event = stream.next()
            stream.close()
            started = stream.events[0].json
            reader = self.server.events(started["session_id"], started["turn_id"], event.id)
            gate.open()
            reader.finish()
            with self.subTest(place=place):
                self.assertEqual(
                    [name for _, name, _ in stream.seen + reader.seen], [name for _, name, _ in whole], "events"
                )
                self.assertEqual(stream.text + reader.text, "".join(OWN))
                self.assertEqual(reader.seen[-1][2]["message"], "".join(OWN))

    def test_the_last_id_as_a_query_for_those_who_cannot_set_headers(self):
        session, turn, whole = self.play("query", "a", "b")
        path = f"{turn_path(session, turn)}/events?last_event_id={whole[1][0].replace(':', '%3A')}"
        stream = open_events(self.server.url, path)
        stream.finish()
        self.assertEqual(stream.seen, whole[2:])

    def test_headers(self):
        session, turn, _ = self.play("headers", "a")
        stream = self.server.events(session, turn)
        headers = stream.response.headers
        self.assertEqual(headers["content-type"].partition(";")[0], "text/event-stream")
        for part in ("no-store",):
            self.assertIn(part, headers["cache-control"])
        self.assertEqual(headers["x-accel-buffering"], "no")

    def test_a_reader_from_the_beginning_of_a_running_turn_has_the_head_at_once(self):
        gate = Gate()
        self.upstream.script("silent", Answer(before=[gate]))
        first = self.server.stream("x", "head", model="openai/silent")
        turn = first.next().json["turn_id"]
        second = self.server.events("head", turn)
        self.assertEqual(second.next().name, "turn.started")
        gate.open()
        first.finish(), second.finish()
        self.assertEqual(second.seen, first.seen)

    def test_ids_that_are_none_are_refused(self):
        session, turn, whole = self.play("bad-ids", "a")
        other = self.play("bad-ids", "b")[2][0][0]
        for id_ in (
            other,
            "x",
            "7",
            turn,
            turn + ":",
            turn + ":x",
            turn + ":-1",
            turn + ": 1",
            turn + ":1x",
            ":1",
            "::",
        ):
            with self.subTest(id_):
                self.assert_error(self.server.events(session, turn, id_), 400, "invalid_request")
        for number in ("99999999", "9" * 19, "9" * 40):  # none was ever given: whatever is answered, it is bounded
            with self.subTest(number):
                response = self.server.events(session, turn, f"{turn}:{number}")
                if hasattr(response, "finish"):
                    self.assertEqual(response.finish().name, "turn.completed")
                    self.assertEqual(response.text, "a")
                else:
                    self.assertIn(response.status, (204, 400))
        self.assertEqual(self.rest(self.server, session, turn, None), whole)

    def test_what_is_not_there_is_not_found(self):
        session, turn, _ = self.play("found", "a", session="found")
        self.play("found", "b", session="other")
        for where in ((session, "no-such-turn"), ("no-such-session", turn), ("other", turn), (session, "x" * 5000)):
            with self.subTest(where):
                response = self.server.events(*where)
                self.assertIn(response.status, (404, 414) if len(where[1]) > 1000 else (404,))

    def test_turns_that_ended_badly_replay_too(self):
        for items, end in ((("par", "tial", CUT), "turn.failed"), (("par", "tial", STALL), "turn.cancelled")):
            with self.subTest(end):
                self.upstream.script("bad", Answer(*items))
                stream = self.server.stream("x", model="openai/bad")
                started = stream.next().json
                session, turn = started["session_id"], started["turn_id"]
                stream.until("text.delta"), stream.until("text.delta")
                if end == "turn.cancelled":
                    self.server.cancel(session, turn)
                self.assertEqual(stream.finish().name, end)
                self.assertEqual(stream.text, "partial")
                self.assert_resumes(self.server, session, turn, stream.seen)

    def test_a_hundred_readers_of_one_turn_see_the_same(self):
        held = Held(*own_items())
        self.upstream.script("many", held.answer)
        first = self.server.stream("x", "many", model="openai/many")
        turn = first.next().json["turn_id"]
        readers = [self.server.events("many", turn) for _ in range(50)]
        held.next(5)
        for reader in readers[:25]:  # half of them leave in the middle
            reader.until("text.delta")
            reader.close()
        readers = readers[25:] + [self.server.events("many", turn) for _ in range(50)]
        held.rest()
        first.finish()
        for reader in readers:
            reader.finish()
            self.assertEqual(reader.seen, first.seen)
            reader.close()


class ForgottenTest(CutCase):
    """The log leaves memory as soon as the turn has ended: every replay comes from the store."""

    config = FORGET_AT_ONCE

    def test_every_cut(self):
        turns = [self.play("own", *own_items(), usage=Usage(3, 0, 0, 9))]
        turns.append(self.play("tool", "a", Tool("f", ('{"x"', ":1}")), provider="anthropic"))
        turns += [self.recorded(name) for name in RECORDED]
        wait_for(lambda: b"\ntertulia_turn_log_bytes 0\n" in self.server.get("/metrics").body, "the logs to be gone")
        for turn in turns:
            self.assert_resumes(self.server, *turn)

    def test_a_turn_of_a_long_session_is_found(self):
        turns = [self.play("own", f"number {i}", session="long") for i in range(12)]
        for session, turn, whole in turns:
            self.assertEqual(self.rest(self.server, session, turn, whole[1][0]), whole[2:])


class InMemoryTest(ForgottenTest):
    """The same where the store is memory."""

    store = "memory"


class RestartTest(CutCase):
    server_per_test = True

    def test_every_cut_after_a_restart(self):
        self.server = self.start()
        turns = [self.play("own", *own_items(), usage=Usage(3, 0, 0, 9))]
        turns += [self.recorded(name) for name in RECORDED]
        self.upstream.script("failing", Answer("par", "tial", CUT))
        failed = self.server.stream("x", model="anthropic/failing")
        failed.finish()
        started = failed.seen[0][2]
        turns.append((started["session_id"], started["turn_id"], failed.seen))
        self.end(self.server)
        server = self.running()
        for turn in turns:
            self.assert_resumes(server, *turn)

    def test_a_reader_who_waits_through_a_restart(self):
        """SIGTERM while a turn runs: it is closed as interrupted, and its reader learns that from the next server."""
        database, held = self.folder / "waits.db", Held("one ", "two ", "three")
        self.upstream.script("waits", held.answer)
        config = {"shutdown": {"grace_ms": 300}}
        server = self.start(database=database, config=config)
        stream = server.stream("x", "s", model="openai/waits")
        held.next(2)
        stream.until("text.delta"), stream.until("text.delta")
        turn, last = stream.events[0].json["turn_id"], stream.events[-1].id
        server.terminate()
        self.assertEqual(server.wait(20), 0, server.log_text)
        server = self.running(database=database, config=config)
        reader = server.events("s", turn, last)
        self.assertEqual(reader.finish().name, "turn.interrupted")
        self.assertEqual([name for _, name, _ in reader.seen if name != "usage"], ["turn.interrupted"])
        self.assertEqual(reader.seen[-1][2]["partial"], "one two ")
        self.assertEqual(server.wait_turn("s", turn)["state"], "interrupted")


if __name__ == "__main__":
    unittest.main()
