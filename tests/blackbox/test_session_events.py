"""GET /sessions/{id}/events: every turn of a session as it happens, for any number of readers, resumed anywhere."""

import concurrent.futures
import re
import unittest

from answers import CUT, STALL, Answer, Thinking
from client import Closed, open_events
from fake_upstream import Gate, Held
from harness import ServerCase, session_path, wait_for

MEGABYTE = 1 << 20


class FeedCase(ServerCase):
    def play(self, session, server=None):
        """Four turns that end in different ways; all that their own readers saw."""
        server, whole = server or self.server, []
        self.upstream.script("fine", Answer("a ", "日本 ", "c"))
        self.upstream.script("cut", Answer("half", CUT))
        self.upstream.script("stall", Answer(Thinking("hm"), "said ", STALL))
        for model in ("fine", "cut", "stall", "fine"):
            stream = server.stream("x", session, model="openai/" + model)
            turn = stream.next().json["turn_id"]
            if model == "stall":
                stream.until("text.delta")
                server.cancel(session, turn)
            stream.finish()
            whole += stream.seen
        return whole

    def read(self, feed, last):
        """Reads up to the event of this id; what it saw."""
        while feed.events[-1:] == [] or feed.events[-1].id != last:
            feed.next()
        feed.close()
        return feed.seen


class FeedTest(FeedCase):
    config = {"limits": {"heartbeat_ms": 100}}

    def begun(self, session):
        self.server.chat("first", session)
        return session

    def test_it_waits_for_turns_and_shows_each_from_its_beginning(self):
        session = self.begun("waits")
        feeds = [self.server.feed(session) for _ in range(5)]
        for feed in feeds:
            self.assertEqual(feed.next().name, ":", "nothing of the turn that had ended")
        whole = self.play(session)
        for feed in feeds:
            self.assertEqual(self.read(feed, whole[-1][0]), whole)

    def test_headers_and_heartbeats(self):
        feed = self.server.feed(self.begun("heads"))
        headers = feed.response.headers
        self.assertEqual(headers["content-type"].partition(";")[0], "text/event-stream")
        for part in ("no-store",):
            self.assertIn(part, headers["cache-control"])
        self.assertEqual(headers["x-accel-buffering"], "no")
        times = [feed.until(":").at for _ in range(4)]
        self.assertTrue(all(b - a > 0.05 for a, b in zip(times, times[1:])), times)
        feed.close()

    def test_in_mid_turn_it_begins_with_that_turns_first_event(self):
        session, held = self.begun("mid"), Held("one ", "two ", "three")
        self.upstream.script("held", held.answer)
        stream = self.server.stream("x", session, model="openai/held")
        held.next(2)
        stream.until("text.delta"), stream.until("text.delta")
        feed = self.server.feed(session)
        self.assertEqual([feed.event().id for _ in range(3)], [id_ for id_, _, _ in stream.seen])
        held.rest()
        stream.finish()
        self.assertEqual(self.read(feed, stream.seen[-1][0]), stream.seen)

    def test_before_a_turn_has_begun_a_session_is_not_found(self):
        self.assert_error(self.server.feed("nobody"), 404, "not_found")

    def test_resumed_after_every_event_of_several_turns(self):
        session = self.begun("resumed")
        whole = self.play(session)
        for place, (id_, _, _) in enumerate(whole[:-1]):
            self.assertEqual(
                self.read(self.server.feed(session, id_), whole[-1][0]), whole[place + 1 :], f"after {id_}"
            )
        feed = self.server.feed(session, whole[-1][0])  # nothing yet; then the next turn
        self.assertEqual(feed.next().name, ":")
        stream = self.server.stream("y", session, model="openai/fine")
        stream.finish()
        self.assertEqual(self.read(feed, stream.seen[-1][0]), stream.seen)

    def test_resumed_from_an_earlier_turn_while_one_runs(self):
        session, held = self.begun("earlier"), Held("one ", "two")
        whole = self.play(session)
        self.upstream.script("held", held.answer)
        stream = self.server.stream("x", session, model="openai/held")
        held.next()
        stream.until("text.delta")
        feed = self.server.feed(session, whole[2][0])
        for expected in whole[3:] + stream.seen:
            self.assertEqual(feed.event().id, expected[0])
        held.rest()
        stream.finish()
        self.assertEqual(self.read(feed, stream.seen[-1][0]), whole[3:] + stream.seen)

    def test_the_last_id_as_a_query(self):
        session = self.begun("query")
        whole = self.play(session)
        feed = open_events(self.server.url, f"{session_path(session)}/events?last_event_id={whole[3][0]}")
        self.assertEqual(self.read(feed, whole[-1][0]), whole[4:])

    def test_ids_that_are_none(self):
        session = self.begun("bad")
        other = self.server.chat("x", "bad-other").json["turn_id"]
        for id_ in ("x", "7", "no-such-turn:1", other + ":1", other + ":", ":", ":1"):
            with self.subTest(id_):
                response = self.server.feed(session, id_)
                self.assertIn(response.status, (400, 404), response)
                self.assertIn(response.json["code"], ("invalid_request", "not_found"))

    def test_queued_turns_are_shown_too(self):
        session, gate = self.begun("queued"), Gate()
        feed = self.server.feed(session)
        self.upstream.script("held", Answer("a", gate, "b"))
        first = self.server.stream("1", session, model="openai/held")
        first.until("text.delta")
        second = self.server.stream("2", session, model="openai/fine")
        self.assertEqual(second.next().name, "turn.queued")
        gate.open()
        first.finish(), second.finish()
        seen = self.read(feed, second.seen[-1][0])
        for stream in (first, second):  # each turn whole and in its order
            turn = stream.seen[0][2]["turn_id"]
            self.assertEqual([e for e in seen if e[0].startswith(turn + ":")], stream.seen)
        self.assertEqual(len(seen), len(first.seen) + len(second.seen))

    def test_a_continuation_is_shown(self):
        session = self.begun("continued")
        feed = self.server.feed(session)
        self.upstream.script("half", Answer("half", CUT), Answer(" whole"))
        failed = self.server.stream("x", session, model="openai/half")
        failed.finish()
        stream = self.server.go_on(session, failed.seen[0][2]["turn_id"], stream=True)
        stream.finish()
        self.assertEqual(self.read(feed, stream.seen[-1][0]), failed.seen + stream.seen)

    def test_two_hundred_readers_see_the_same(self):
        session = self.begun("crowd")
        feeds = [self.server.feed(session) for _ in range(200)]
        whole = self.play(session)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for seen in pool.map(lambda feed: self.read(feed, whole[-1][0]), feeds):
                self.assertEqual(seen, whole)

    def test_readers_come_and_go(self):
        session, held = self.begun("coming"), Held(*(f"{i} " for i in range(60)))
        self.upstream.script("held", held.answer)
        stream = self.server.stream("x", session, model="openai/held")
        stream.until("turn.started")
        last, seen = None, []
        for i in range(60):
            held.next()
            if i % 3 == 0:  # one who is cut again and again
                feed = self.server.feed(session, last)
                event = feed.until("text.delta")
                seen += feed.seen
                last = event.id
                feed.close()
        stream.finish()
        rest = self.read(self.server.feed(session, last), stream.seen[-1][0])
        self.assertEqual(seen + rest, stream.seen)

    def test_a_deleted_sessions_readers_are_not_left_hanging(self):
        session = self.begun("deleted")
        feed = self.server.feed(session)
        feed.until(":")
        self.assertEqual(self.server.request("DELETE", session_path(session)).status, 204)
        self.assert_error(self.server.feed(session), 404, "not_found")
        feed.close()


class StoredFeedTest(FeedCase):
    """Logs leave memory at once, and memory is small: everything comes from the store."""

    config = {"limits": {"keep_log_ms": 1, "log_bytes": 4 * MEGABYTE}}
    env = {"ASAN_OPTIONS": "quarantine_size_mb=8"}

    def test_resumed_after_every_event(self):
        self.server.chat("first", "stored")
        whole = self.play("stored")
        for place, (id_, _, _) in enumerate(whole[:-1]):
            self.assertEqual(
                self.read(self.server.feed("stored", id_), whole[-1][0]), whole[place + 1 :], f"after {id_}"
            )

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def test_readers_that_do_not_read_cost_no_memory_and_miss_nothing(self):
        """Three stop reading; 24 turns of a megabyte each go by; then they read it all."""
        pieces = [f"{i:03}" + "x" * 50_000 for i in range(20)]
        self.upstream.script("big", Answer(*pieces))
        for _ in range(30):  # until what a server keeps for itself has grown
            self.server.chat("x", "warm", model="openai/big")
        self.server.chat("first", "slow")
        path = session_path("slow") + "/events"
        feeds = [open_events(self.server.url, path, receive_buffer=4096, timeout=60) for _ in range(3)]
        before, whole = self.memory(), []
        for _ in range(24):
            stream = self.server.stream("x", "slow", model="openai/big")
            stream.finish()
            whole += self.briefly(stream.seen)
            stream.close()
        # A copy for each were 72; and logs that all stay would have ended in refusals.
        self.assertLess(self.memory() - before, 45 * MEGABYTE)
        for feed in feeds:
            self.assertEqual(self.read_on(feed, whole[-1][0]), whole)

    @staticmethod
    def briefly(seen):
        return [(id_, name, data.get("text", "")[:3]) for id_, name, data in seen]

    def read_on(self, feed, last):
        """Up to this event; one who was cut off for being slow (a write has its deadline) comes back where he was."""
        seen = []
        while not seen or seen[-1][0] != last:
            try:
                while feed.next().id != last:
                    pass
            except Closed:
                pass
            seen += self.briefly(feed.seen)
            feed.close()
            if seen[-1][0] != last:
                feed = self.server.feed("slow", seen[-1][0])
        return seen


class MemoryFeedTest(FeedCase):
    store = "memory"

    def test_resumed_after_every_event(self):
        self.server.chat("first", "memory")
        whole = self.play("memory")
        for place, (id_, _, _) in enumerate(whole[:-1]):
            self.assertEqual(self.read(self.server.feed("memory", id_), whole[-1][0]), whole[place + 1 :])


class RestartFeedTest(FeedCase):
    server_per_test = True

    def test_resumed_on_the_next_server(self):
        database = self.folder / "restart.db"
        server = self.start(database=database)
        server.chat("first", "r")
        whole = self.play("r", server)
        self.end(server)
        server = self.running(database=database)
        for place in (0, 3, len(whole) // 2, len(whole) - 2):
            self.assertEqual(self.read(server.feed("r", whole[place][0]), whole[-1][0]), whole[place + 1 :])

    def test_resumed_after_a_kill_in_mid_turn(self):
        """Beyond the stored place the text is replaced; then the feed goes on with the next turn."""
        database = self.folder / "killed.db"
        server = self.start(database=database, config={"checkpoints": {"interval_ms": 0}})
        server.chat("first", "k")
        self.upstream.script("stall", Answer("a ", "b ", STALL))
        feed = server.feed("k")
        stream = server.stream("x", "k", model="openai/stall")
        feed.until("text.delta"), feed.until("text.delta")
        server.process.kill()
        server.wait()
        stream.close(), feed.close()
        server = self.running(database=database)
        last = feed.seen[-1][0]
        again = server.feed("k", last)
        self.assertEqual([again.event().name, again.event().name], ["text.replaced", "turn.interrupted"])
        self.assertEqual(again.seen[0][2], {"text": ""})
        following = server.stream("y", "k", model="openai/echo")
        following.finish()
        wait_for(lambda: again.next().id == following.seen[-1][0], "the next turn's end")
        self.assertEqual(again.seen[2:], following.seen)


if __name__ == "__main__":
    unittest.main()
