"""A server that is killed (kill -9) in mid-stream and started again, with one turn of which a part was seen."""

import contextlib
import time

from answers import Answer
from client import Closed
from fake_upstream import Held
from harness import ServerCase

PIECES = ("Es war ", "einmal ", "ein 日本 ", "König", ", der ", "hatte ", "😀 drei ", "Töchter.")
NEVER_MS = 3_600_000
SOON = {"interval_ms": 20}
SETTLED_SECONDS = 0.6  # thirty intervals: by then the promise to checkpoint must have been kept


class CrashCase(ServerCase):
    server_per_test = True

    def begin(self, checkpoints, pieces=PIECES, shown=None, provider="openai", session="s", **options):
        """A server and a turn of which `shown` pieces were seen; what the crash will cut off is `self.stream`."""
        self.database = self.folder / f"{self.id().rpartition('.')[2]}-{time.monotonic_ns()}.db"
        self.held = Held(*pieces, **options)
        self.upstream.script("told", self.held.answer, Answer("after"))
        self.options = {"database": self.database, "config": {"checkpoints": checkpoints} | self.config}
        self.server = self.start(**self.options)
        self.session = session
        self.stream = self.server.stream("Tell me.", session, model=f"{provider}/told")
        self.turn_id = self.stream.next().json["turn_id"]
        for _ in pieces[:shown]:
            self.held.next()
            self.stream.until("text.delta", "thinking.delta")

    def crash(self):
        self.server.process.kill()
        self.server.wait()
        with contextlib.suppress(Closed, ConnectionError):
            self.stream.finish()
        self.stream.close()
        self.server = self.running(**self.options)

    def cut_off(self, checkpoints=SOON, *args, settled=True, **options):
        """All of it: begin, let the checkpoints settle, kill, start again; the stored text."""
        self.begin(checkpoints, *args, **options)
        if settled:
            time.sleep(SETTLED_SECONDS)
        self.crash()
        _, answer = self.server.history(self.session)[-2:]
        self.assertEqual((answer["state"], answer["turn_id"]), ("interrupted", self.turn_id))
        return answer["content"]

    def read(self, after=None):
        reader = self.server.events(self.session, self.turn_id, after)
        self.assertTrue(hasattr(reader, "finish"), getattr(reader, "body", None))
        reader.finish()
        return reader

    def number(self, id_):
        turn, _, number = id_.rpartition(":")
        self.assertEqual(turn, self.turn_id)
        return int(number)
