"""The database file: readable by anyone, one server at a time, full disks, locks, newer versions."""

import contextlib
import os
import socket
import sqlite3
import unittest

from answers import Answer
from fake_upstream import Gate
from harness import KEY, Refused, ServerCase, wait_for


class StoreFilesTest(ServerCase):
    server_per_test = True

    def path(self):
        """A database of this test's own."""
        return self.folder / f"{self.id().rpartition('.')[2]}.db"

    def read(self, path, query):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]

    def test_anyone_can_read_a_conversation_with_sqlite3(self):
        server = self.running(database=self.path())
        answer = server.chat("Grüße", "s").json
        tables = [r["name"] for r in self.read(self.path(), "select name from sqlite_master where type = 'table'")]
        wanted = {"owner", "session_id", "timestamp", "role", "content", "created_at"}
        holding = [
            t for t in tables if wanted <= {c["name"] for c in self.read(self.path(), f"pragma table_info({t})")}
        ]
        self.assertEqual(len(holding), 1, tables)
        rows = self.read(self.path(), f"select * from {holding[0]} order by owner, session_id, timestamp")
        self.assertEqual(
            [(r["owner"], r["session_id"], r["role"], r["content"]) for r in rows],
            [("local", "s", "user", "Grüße"), ("local", "s", "assistant", "[1] Grüße")],
        )
        self.assertEqual(rows[1]["timestamp"], answer["timestamp"])
        self.assertEqual(self.read(self.path(), "pragma journal_mode")[0]["journal_mode"], "wal")

    def test_the_folder_of_the_database_is_made(self):
        path = self.folder / "new" / "folder" / "t.db"
        self.running(database=path).chat("x")
        self.assertTrue(path.exists())

    def test_no_key_is_in_the_file(self):
        server = self.start(database=self.path())
        server.chat("x")
        self.assertEqual(server.stop(), 0)
        for file in self.folder.glob(self.path().name + "*"):
            self.assertNotIn(KEY.encode(), file.read_bytes())

    def test_a_second_server_on_the_same_database_is_refused(self):
        server = self.running(database=self.path())
        with self.assertRaises(Refused) as refused:
            self.start(database=self.path())
        self.assertNotIn(refused.exception.code, (0, -6, -11))
        self.assertIn(self.path().name, refused.exception.output)
        self.assert_answer(server.chat("x"))  # the first one did not notice

    def test_a_second_server_on_the_same_port_is_refused(self):
        server = self.running(database=self.path())
        port = server.url.rpartition(":")[2]
        with self.assertRaises(Refused) as refused:
            self.start(listen=f"127.0.0.1:{port}", database=self.folder / "other.db")
        self.assertNotIn(refused.exception.code, (0, -6, -11))
        self.assertIn(port, refused.exception.output)

    def test_a_port_that_another_program_has_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with self.assertRaises(Refused) as refused:
                self.start(listen="127.0.0.1:" + port, database=self.path())
        self.assertIn(port, refused.exception.output)

    def test_the_lock_goes_with_the_process(self):
        server = self.start(database=self.path())
        server.chat("x", "s")
        server.process.kill()
        server.wait()
        self.assertEqual(len(self.running(database=self.path()).history("s")), 2)

    def test_a_database_of_a_newer_version_is_refused_and_not_damaged(self):
        server = self.start(database=self.path())
        server.chat("x", "s")
        self.assertEqual(server.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.path())) as database:
            version = database.execute("pragma user_version").fetchone()[0]
            self.assertGreater(version, 0, "the schema version is expected in user_version")
            database.execute("pragma wal_checkpoint(truncate)")
            database.execute(f"pragma user_version = {version + 1}")
            database.commit()
        before = self.path().read_bytes()
        with self.assertRaises(Refused) as refused:
            self.start(database=self.path())
        self.assertNotIn(refused.exception.code, (0, -6, -11))
        self.assertIn(str(version + 1), refused.exception.output)
        self.assertEqual(self.path().read_bytes(), before)

    def test_a_file_that_is_no_database_is_refused_and_not_damaged(self):
        self.path().write_bytes(b"precious notes\n" * 500)
        with self.assertRaises(Refused) as refused:
            self.start(database=self.path())
        self.assertNotIn(refused.exception.code, (0, -6, -11))
        self.assertEqual(self.path().read_bytes(), b"precious notes\n" * 500)

    def test_a_folder_that_cannot_be_written_is_refused_with_its_path(self):
        if os.geteuid() == 0:
            blocked = self.folder / "file"
            blocked.write_text("no folder")
        else:
            blocked = self.folder / "closed"
            blocked.mkdir(mode=0o500)
        with self.assertRaises(Refused) as refused:
            self.start(database=blocked / "t.db")
        self.assertIn(str(blocked), refused.exception.output)

    def test_a_full_disk_answers_503_and_loses_nothing(self):
        server = self.running(database=self.path())
        for i in range(5):
            self.assert_answer(server.chat(f"before {i}", "s"))
        server.limit_file_size(4096)
        for i in range(3):
            response = server.chat("does not fit " * 100, "s")
            body = self.assert_error(response, 503, "unavailable")
            self.assertNotIn("does not fit", str(body))
        self.assertEqual(len(server.history("s")) % 2, 0)
        self.assertEqual([m["content"] for m in server.history("s")][:10:2], [f"before {i}" for i in range(5)])
        self.assertEqual(server.get("/healthz").status, 200)
        server.limit_file_size(None)
        wait_for(lambda: server.chat("after", "s").status == 200, "the store to work again")
        messages = server.history("s")
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * (len(messages) // 2))
        self.assertEqual([m["content"] for m in messages][:10:2], [f"before {i}" for i in range(5)])
        self.assertEqual(messages[-2]["content"], "after")

    def test_the_disk_full_in_mid_answer_is_a_failure_and_the_question_is_kept(self):
        server, gate = self.running(database=self.path()), Gate()
        self.upstream.script("filling", Answer("a", gate, "b" * 100000))
        stream = server.stream("the question", "s", model="openai/filling")
        stream.until("text.delta")
        server.limit_file_size(4096)
        gate.open()
        terminal = stream.finish()
        self.assertEqual(terminal.name, "turn.failed")  # never announced as complete
        self.assert_error_body(terminal.json, "unavailable")
        server.limit_file_size(None)
        self.assertEqual(server.history("s")[0]["content"], "the question")
        wait_for(lambda: server.chat("next", "s").status == 200, "the store to work again")
        messages = server.history("s")
        self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * 2)
        self.assertNotEqual(messages[1]["state"], "completed")

    def test_a_locked_file_answers_503_and_works_again_when_it_is_free(self):
        server = self.running(database=self.path())
        self.assert_answer(server.chat("before", "s"))
        with contextlib.closing(sqlite3.connect(self.path(), isolation_level=None)) as other:
            other.execute("begin immediate")
            self.assert_error(server.chat("while locked", "s", timeout=60), 503, "unavailable")
            other.execute("rollback")
        wait_for(lambda: server.chat("after", "s").status == 200, "the store to work again")
        contents = [m["content"] for m in server.history("s")]
        self.assertEqual((contents[0], contents[-2]), ("before", "after"))

    def test_a_live_backup_can_be_restored(self):
        server, copy = self.running(database=self.path()), self.folder / "copy.db"
        server.chat("kept", "s")
        with contextlib.closing(sqlite3.connect(self.path())) as source, contextlib.closing(
            sqlite3.connect(copy)
        ) as target:
            source.backup(target)
        self.assertEqual([m["content"] for m in self.running(database=copy).history("s")], ["kept", "[1] kept"])


if __name__ == "__main__":
    unittest.main()
