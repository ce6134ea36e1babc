"""Messages sent at once to one session: one after the other, in order of arrival, in a bounded queue."""

import concurrent.futures
import threading
import time
import unittest

from answers import Answer
from client import Connection
from fake_upstream import Gate
from harness import ServerCase, wait_for


class OrderTest(ServerCase):
    def assert_alternating(self, session, turns):
        messages = self.server.history(session)
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * turns)
        self.assertEqual([m["turn_id"] for m in messages[::2]], [m["turn_id"] for m in messages[1::2]])
        return messages

    def in_background(self, function, *args, **fields):
        result = []
        thread = threading.Thread(target=lambda: result.append(function(*args, **fields)), daemon=True)
        thread.start()
        return thread, result

    def test_the_second_message_waits_for_the_first_answer(self):
        gate = Gate()
        self.upstream.script("first", Answer("a", gate, "b"))
        self.upstream.script("second")
        stream = self.server.stream("one", "two-at-once", model="openai/first")
        stream.until("text.delta")
        thread, result = self.in_background(self.server.chat, "two", "two-at-once", model="openai/second")
        self.server.chat("x")  # another session is not held up
        self.assertEqual(self.upstream.asked("second"), [])
        gate.open()
        self.assertEqual(stream.finish().json["message"], "ab")
        thread.join(20)
        self.assert_answer(result[0], "[3] two")
        self.assertEqual(
            self.upstream.asked("second")[0].messages, [("user", "one"), ("assistant", "ab"), ("user", "two")]
        )
        self.assert_alternating("two-at-once", 2)

    def test_messages_are_taken_in_order_of_arrival(self):
        gate, threads = Gate(), []
        self.upstream.script("held", Answer(gate, "x"))
        held = self.server.stream("0", "arrival", model="openai/held")
        gate.wait_reached()
        for i in range(1, 9):
            stream = self.server.stream  # each is known to wait before the next is sent
            threads.append(self.in_background(lambda i=i: stream(str(i), "arrival").finish()))
            threads[-1][0].join(0.3)
        gate.open()
        held.finish()
        for thread, _ in threads:
            thread.join(20)
        messages = self.assert_alternating("arrival", 9)
        self.assertEqual([m["content"] for m in messages[::2]], [str(i) for i in range(9)])

    def test_beyond_the_queue_messages_are_refused_with_a_time_to_come_again(self):
        gate = Gate()
        self.upstream.script("full", Answer(gate, "x"))
        held = self.server.stream("0", "full", model="openai/full")
        gate.wait_reached()
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            waiting = [pool.submit(self.server.chat, str(i), "full") for i in range(1, 25)]
            refused = []
            for future in concurrent.futures.as_completed(waiting, timeout=25):
                refused.append(future)
                if len(refused) == 8:
                    break
            gate.open()
        for future in refused:
            response = future.result()
            self.assert_error(response, 409, "conflict")
            self.assertGreater(int(response.headers["retry-after-ms"]), 0)
        self.assertEqual([f.result().status for f in waiting if f not in refused], [200] * 16)
        held.finish()
        self.assert_alternating("full", 17)

    def test_two_hundred_at_once_to_one_session_alternate(self):
        def send(i):
            end = time.monotonic() + 100
            while time.monotonic() < end:
                response = self.server.chat(f"number {i}", "crowd", timeout=60)
                if response.status != 409:
                    return response
                threading.Event().wait(int(response.headers["retry-after-ms"]) / 1000)
            return response

        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            responses = list(pool.map(send, range(200)))
        self.assertEqual({r.status for r in responses}, {200})
        messages = self.assert_alternating("crowd", 200)
        self.assertEqual({m["content"] for m in messages[::2]}, {f"number {i}" for i in range(200)})
        by_turn = {m["turn_id"]: m["content"] for m in messages[1::2]}
        for response in responses:
            self.assertEqual(by_turn[response.json["turn_id"]], response.json["message"])
        lengths = [r.json["conversation_length"] for r in responses]
        self.assertEqual(sorted(lengths), list(range(2, 402, 2)))

    def test_a_failed_turn_lets_the_next_one_go(self):
        gate = Gate()
        self.upstream.script("failing", Answer(before=[gate], status=500, body={}), Answer("fine"))
        first = self.in_background(self.server.chat, "one", "after-failure", model="openai/failing")
        gate.wait_reached()
        second = self.in_background(self.server.chat, "two", "after-failure", model="openai/failing")
        gate.open()
        for thread, _ in (first, second):
            thread.join(20)
        self.assert_error(first[1][0], 503, "upstream_unavailable")
        self.assert_answer(second[1][0], "fine")
        self.assert_alternating("after-failure", 2)

    def test_many_sessions_at_once_do_not_wait_for_each_other(self):
        gate = Gate()
        self.upstream.script("together", Answer(gate, "x"))

        def send(i):
            return self.server.chat("x", f"together-{i}", model="openai/together", timeout=60)

        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            waiting = [pool.submit(send, i) for i in range(100)]
            end = time.monotonic() + 30
            while len(self.upstream.asked("together")) < 100 and time.monotonic() < end:
                self.server.get("/healthz")
            gate.open()
            self.assertEqual({w.result().status for w in waiting}, {200})
        self.assertEqual(len(self.upstream.asked("together")), 100)


class QueueLimitsTest(ServerCase):
    config = {"limits": {"queue_wait_ms": 600, "queue_per_session": 2}}

    def test_a_message_does_not_wait_for_ever(self):
        gate = Gate()
        self.upstream.script("held", Answer("a", gate, "b"))
        held = self.server.stream("one", "waits", model="openai/held")
        held.until("text.delta")
        begun = time.monotonic()
        self.assert_error(self.server.chat("two", "waits"), 409, "conflict")
        self.assertTrue(0.4 <= time.monotonic() - begun <= 5)
        gate.open()
        self.assertEqual(held.finish().json["message"], "ab")
        self.assertEqual([m["content"] for m in self.server.history("waits")], ["one", "ab"])
        self.assert_answer(self.server.chat("three", "waits", model="openai/free"), "[3] three")

    def test_a_client_that_leaves_the_queue_has_still_sent_its_message(self):
        gate = Gate()
        self.upstream.script("queued", Answer("a", gate, "b"))
        held = self.server.stream("one", "left", model="openai/queued")
        held.until("text.delta")
        with Connection(self.server.url) as c:
            c.send_request("POST", "/chat", {"message": "two", "session_id": "left", "model": "openai/next"})
            c.socket.settimeout(0.1)
            with self.assertRaises(TimeoutError):
                c.receive()
        gate.open()
        held.finish()
        wait_for(lambda: self.server.page("left").json["running"] is None, "the queued turn's end")
        contents = [m["content"] for m in self.server.history("left")]
        self.assertIn(contents, (["one", "ab"], ["one", "ab", "two", "[3] two"]))


if __name__ == "__main__":
    unittest.main()
