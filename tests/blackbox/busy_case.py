"""What the tests of on_busy share."""

from answers import Answer
from fake_upstream import Gate
from harness import ServerCase


class BusyCase(ServerCase):
    def held(self, session, model):
        """A turn that has said "a" and waits: (gate, its stream)."""
        gate = Gate()
        self.upstream.script(model, Answer("a", gate, "b"))
        stream = self.server.stream("one", session, model="openai/" + model)
        stream.until("text.delta")
        return gate, stream

    def contents(self, session):
        return [m["content"] for m in self.server.history(session)]

    def assert_alternating(self, session):
        messages = self.server.history(session)
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
        self.assertEqual([m["turn_id"] for m in messages[::2]], [m["turn_id"] for m in messages[1::2]])
        stamps = [m["timestamp"] for m in messages]
        self.assertEqual(stamps, sorted(set(stamps)))
        return messages
