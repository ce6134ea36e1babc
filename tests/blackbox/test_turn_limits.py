"""Memory of turn logs is bounded and what goes beyond is said; long answers; what a page of an allowed origin may use."""

import concurrent.futures
import unittest

from answers import STALL, Answer
from crash_case import CrashCase
from fake_upstream import Held
from harness import ServerCase, wait_for

MEGABYTE = 1 << 20
ORIGIN = {"origin": "https://app.example"}


class LogMemoryTest(ServerCase):
    config = {"limits": {"log_bytes": 2 * MEGABYTE, "keep_log_ms": 100}}

    def test_ended_logs_make_room_and_are_still_there_to_be_read(self):
        self.upstream.script("big", Answer(*[f"{i:03}" + "x" * 10_000 for i in range(30)]))
        turns = []
        for i in range(12):
            stream = self.server.stream("x", f"big{i % 2}", model="openai/big")
            self.assertEqual(stream.finish().name, "turn.completed")
            turns.append((stream.seen[0][2], stream.seen))
            stream.close()
        for started, seen in turns:
            reader = self.server.events(started["session_id"], started["turn_id"], seen[5][0])
            reader.finish()
            self.assertEqual(reader.seen, seen[6:])
            reader.close()

    def test_running_ones_that_take_it_all_refuse_the_next_and_lose_nothing(self):
        held = Held("x" * 400_000, "y")
        self.upstream.script("held", held.answer)
        streams = [self.server.stream("x", f"held{i}", model="openai/held") for i in range(6)]
        held.next()
        for stream in streams:
            stream.until("text.delta")
        refused = 0
        for i in range(8):
            response = self.server.chat("x", f"more{i}", model="openai/echo")
            self.assertIn(response.status, (200, 503), response.body)
            if response.status == 503:
                self.assert_error(response, 503, "unavailable")
                refused += 1
        self.assertGreater(refused, 0, "more than 2 megabytes were taken")
        held.rest()
        for stream in streams:
            self.assertIn(stream.finish().name, ("turn.completed", "turn.failed"))
            self.assertEqual(self.server.history(stream.seen[0][2]["session_id"])[1]["content"], stream.text)
        wait_for(lambda: self.server.chat("x").status == 200, "room again")

    def test_running_ones_that_grow_far_beyond_it_fail_with_what_they_have(self):
        held = Held("x" * 400_000, "y" * 900_000, "z")
        self.upstream.script("growing", held.answer)
        streams = [self.server.stream("x", f"growing{i}", model="openai/growing") for i in range(6)]
        held.next()
        for stream in streams:
            stream.until("text.delta")
        held.rest()
        ends = [stream.finish().name for stream in streams]
        self.assertEqual({stream.seen[-1][2]["code"] for stream in streams if stream.seen[-1][1] == "turn.failed"}, {"unavailable"})
        self.assertIn("turn.completed", ends, "there is room again when others have failed")
        for stream in streams:
            self.assertEqual(self.server.history(stream.seen[0][2]["session_id"])[1]["content"], stream.text)
        wait_for(lambda: self.server.chat("x").status == 200, "room again")

    def test_devices_that_watch_quiet_sessions_take_none_of_it(self):
        """Each session's last answer has been told to its watcher; it need not stay in memory for that."""
        self.upstream.script("told", Answer("x" * 150_000))
        feeds = []
        for i in range(30):
            session = f"watched{i}"
            self.server.chat("first", session)
            feeds.append(self.server.feed(session))
            answer = self.server.chat("x", session, model="openai/told")
            self.assertEqual(answer.status, 200, answer.body)
            feeds[-1].until("turn.completed")
        for feed in feeds:
            feed.close()


class LongTurnTest(CrashCase):
    def test_more_events_than_one_block_of_numbers(self):
        """Twelve thousand, with no checkpoint to reserve more on the way; then the server is killed."""
        self.begin({"interval_ms": 0}, shown=0)
        self.upstream.script("long", Answer(*["x"] * 12_000, STALL))
        self.stream = self.server.stream("x", "long", model="openai/long", timeout=60)
        self.session, self.turn_id = "long", self.stream.next().json["turn_id"]
        for _ in range(12_000):
            last = self.stream.until("text.delta")
        self.crash()
        numbers = [self.number(id_) for id_, _, _ in self.stream.seen]
        self.assertEqual(numbers, list(range(1, 12_002)))
        reader = self.read(last.id)
        self.assertEqual([name for _, name, _ in reader.seen], ["text.replaced", "turn.interrupted"])
        self.assertGreater(self.number(reader.seen[0][0]), numbers[-1])

    def test_a_hundred_readers_of_a_long_turn(self):
        self.begin({}, shown=0)
        self.held.rest()
        self.upstream.script("long", Answer(*[f"{i} " for i in range(2000)]))
        stream = self.server.stream("x", "many", model="openai/long", timeout=60)
        turn = stream.next().json["turn_id"]
        readers = [self.server.events("many", turn, timeout=60) for _ in range(100)]
        stream.finish()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for reader in pool.map(lambda r: (r.finish(), r)[1], readers):
                self.assertEqual(reader.text, stream.text)
                reader.close()
        self.addCleanup(self.end, self.server)


class CorsTest(ServerCase):
    config = {"cors_origins": ["https://app.example"]}

    def preflight(self, path, method, headers):
        asked = {"access-control-request-method": method, "access-control-request-headers": ", ".join(headers)}
        return self.server.request("OPTIONS", path, headers=ORIGIN | asked)

    def test_a_page_of_an_allowed_origin_can_use_all_of_it(self):
        answer = self.server.chat("x", "cors").json
        turn = f"/sessions/cors/turns/{answer['turn_id']}"
        for method, path, headers in (
            ("POST", "/chat", ("content-type", "idempotency-key", "prefer", "x-stainless-retry-count")),
            ("GET", turn, ("authorization",)),
            ("GET", turn + "/events", ("authorization", "last-event-id")),
            ("POST", turn + "/cancel", ("authorization",)),
            ("POST", turn + "/continue", ("authorization", "content-type")),
            ("GET", "/sessions/cors/events", ("authorization", "last-event-id")),
        ):
            with self.subTest(path):
                response = self.preflight(path, method, headers)
                self.assertIn(response.status, (200, 204))
                self.assertIn(method, response.headers["access-control-allow-methods"])
                allowed = response.headers["access-control-allow-headers"].lower()
                self.assertEqual([h for h in headers if h not in allowed], [])
        response = self.server.chat("x", headers=ORIGIN | {"prefer": "respond-async"})
        exposed = response.headers["access-control-expose-headers"].lower()
        for header in ("location", "idempotency-replayed", "preference-applied", "x-should-retry", "retry-after-ms"):
            self.assertIn(header, exposed)
        for reader in (self.server.stream("x", headers=ORIGIN), self.server.chat("x", headers=ORIGIN)):
            headers = reader.response.headers if hasattr(reader, "finish") else reader.headers
            self.assertEqual(headers["access-control-allow-origin"], "https://app.example")


if __name__ == "__main__":
    unittest.main()
