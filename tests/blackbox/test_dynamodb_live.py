"""A turn that runs on one server is read on another one of the same table, as it comes."""

import unittest

from answers import Answer, Thinking
from client import open_events
from dynamodb_case import DynamoCase
from fake_upstream import Gate
from harness import session_path
from ws import WebSocket


class LiveTest(DynamoCase):
    config = {"limits": {"heartbeat_ms": 200}}

    def setUp(self):
        super().setUp()
        self.first, self.second = self.start(), self.start()
        for server in (self.first, self.second):
            self.addCleanup(server.kill)

    def events(self, server, session, turn, after=None):
        headers = {} if after is None else {"last-event-id": after}
        return open_events(server.url, f"{session_path(session)}/turns/{turn}/events", headers=headers)

    def test_it_grows_there_with_the_same_ids_and_text(self):
        gate = Gate()
        self.upstream.script("slow", Answer(Thinking("hm"), "Once ", "upon ", gate, "a ", "time."))
        self.assert_answer(self.first.chat("before", "s", model="openai/echo"))
        feed = self.second.feed("s")  # waits before there is anything to wait for
        socket = WebSocket(self.second.url)
        self.addCleanup(socket.drop)
        socket.send({"type": "subscribe", "session_id": "s"})
        self.assertEqual(feed.next().name, ":")
        stream = self.first.stream("tell", "s", model="openai/slow")
        turn = stream.until("turn.started").json["turn_id"]
        gate.wait_reached()
        while stream.text != "Once upon ":
            stream.event()

        seen_first = stream.named("text.delta")[0].id
        late, resumed = self.events(self.second, "s", turn), self.events(self.second, "s", turn, after=seen_first)
        for reader in (feed, late):
            self.assertEqual(reader.event().name, "turn.started")
            while reader.text != "Once upon ":
                reader.event()
            self.assertEqual(reader.seen, stream.seen)
        while resumed.text != "upon ":
            resumed.event()
        while len(socket.seen(turn)) < len(stream.seen):
            socket.next()
        self.assertEqual(socket.seen(turn), stream.seen)
        self.assertEqual(self.second.turn("s", turn).json["state"], "running")

        gate.open()
        for reader in (stream, feed, late, resumed):
            self.assertEqual(reader.until("turn.completed").json["message"], "Once upon a time.")
        self.assertEqual(stream.text, "Once upon a time.")
        self.assertEqual(feed.seen, stream.seen)
        self.assertEqual(late.seen, stream.seen)
        self.assertEqual(resumed.seen, stream.seen[-len(resumed.seen):])
        self.assertEqual(resumed.text, "upon a time.")
        socket.finish(turn)
        self.assertEqual(socket.seen(turn), stream.seen)
        self.assertEqual(self.events(self.second, "s", turn).finish().name, "turn.completed")

    def test_what_was_seen_there_of_a_killed_servers_turn_stays(self):
        gate = Gate()
        self.upstream.script("slow", Answer("Once ", gate, "upon a time."))
        self.addCleanup(gate.open)
        self.assert_answer(self.first.chat("before", "s", model="openai/echo"))
        feed = self.second.feed("s")
        self.assertEqual(feed.next().name, ":")
        self.first.stream("tell", "s", model="openai/slow").until("text.delta")
        while feed.text != "Once ":
            feed.event()
        self.first.process.kill()
        self.assertEqual(feed.until("turn.interrupted").name, "turn.interrupted")
        self.assertEqual(feed.text, "Once ")
        self.assertEqual(feed.named("text.replaced"), [])
        self.assertEqual(self.second.history("s")[-1]["content"], "Once ")


if __name__ == "__main__":
    unittest.main()
