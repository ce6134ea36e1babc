"""A server that is killed (kill -9) in mid-stream and started again, with one turn of which a part was seen."""

import contextlib
import sqlite3
import time

from answers import Answer
from client import Closed
from fake_upstream import Held
from harness import ServerCase, wait_for

PIECES = ("Es war ", "einmal ", "ein 日本 ", "König", ", der ", "hatte ", "😀 drei ", "Töchter.")
NEVER_MS, NEVER_BYTES = 3_600_000, 1 << 24
SOON = {"interval_ms": 20}
SOON_ENOUGH_SECONDS = 5  # most machines take some hundredths of this
NOTHING_SECONDS = 0.3  # where nothing may be saved: long enough for what should not happen


def saved_pieces(database):
    """What the tables of checkpoints hold, table by table: the rows as bytes."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = [n for (n,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: [b"".join(v for v in row if isinstance(v, bytes)) for row in connection.execute(f'select * from "{name}"')]
            for name in names
            if "checkpoint" in name
        }


def wait_saved(database, text=""):
    """Waits until a checkpoint holds this text."""
    wait_for(
        lambda: any(text.encode() in row for rows in saved_pieces(database).values() for row in rows),
        f"a checkpoint with {text!r}",
        SOON_ENOUGH_SECONDS,
    )


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
        for piece in pieces[:shown]:
            self.held.next()
            self.stream.until("text.delta", "thinking.delta")
            self.last_shown = getattr(piece, "text", piece)

    def crash(self):
        self.server.process.kill()
        self.server.wait()
        with contextlib.suppress(Closed, ConnectionError):
            self.stream.finish()
        self.stream.close()
        self.server = self.running(**self.options)

    def cut_off(self, checkpoints=SOON, *args, settled=True, **options):
        """All of it: begin, wait for the checkpoint, kill, start again; the stored text."""
        self.begin(checkpoints, *args, **options)
        if settled and checkpoints == SOON:
            wait_saved(self.database, self.last_shown)
        elif settled and checkpoints.get("bytes", NEVER_BYTES) < NEVER_BYTES:
            wait_saved(self.database)
        elif settled:
            time.sleep(NOTHING_SECONDS)
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
