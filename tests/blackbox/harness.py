"""What the whole-server tests share: a server on free ports with the fake upstream behind it, ended whatever comes."""

import functools
import json
import pathlib
import resource
import shutil
import signal
import tempfile
import unittest

from fake_upstream import FakeUpstream
from server import ENDED, ROOT, Refused, Server, libc, run, session_path, turn_path, wait_for

__all__ = [
    "ENDED",
    "KEY",
    "ROOT",
    "Refused",
    "Server",
    "ServerCase",
    "libc",
    "raise_open_file_limit",
    "run",
    "session_path",
    "turn_path",
    "wait_for",
]

KEY = "sk-blackbox-0123456789-never-to-be-seen"
# What is not about retries sees one call for a turn, and every failure as it is.
ONE_CALL = {"TERTULIA_RETRY_ATTEMPTS": "1", "TERTULIA_BREAKER_FAILURES": "0"}
RESILIENCE = {"retry", "breaker", "routes"}
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")


def toml(members, path=""):
    """A configuration file from a nested dict: tables from dicts, arrays of tables from lists of dicts."""

    def tables(value):
        several = isinstance(value, list) and value and isinstance(value[0], dict)
        return value if several else [value] if isinstance(value, dict) else []

    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in members.items() if not tables(value))
    for key, value in members.items():
        name = path + key
        for table in tables(value):
            text += (f"[[{name}]]\n" if isinstance(value, list) else f"[{name}]\n") + toml(table, name + ".")
    return text


class ServerCase(unittest.TestCase):
    """A fake upstream and a folder for the class; a server too, unless `server_per_test`.

    `config` becomes the configuration file; `arguments` and `env` are added to what every server here gets. When the
    class ends the server must stop with exit code 0 and no report of a sanitizer.
    """

    config, arguments, env = {}, (), {}
    store = "sqlite"
    server_per_test = False

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tertulia-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.upstream = FakeUpstream()
        cls.addClassCleanup(cls.upstream.close)
        cls.database = cls.folder / "tertulia.db"
        if not cls.server_per_test:
            cls.server = cls.start()
            cls.addClassCleanup(lambda: cls.end(cls.server))

    @classmethod
    def start(cls, *arguments, env=None, config=None, database=None, listen="127.0.0.1:0", model="openai/default"):
        """Starts one more server; the caller ends it (`self.running(...)` does so by itself)."""
        file = cls.folder / "tertulia.toml"
        config = cls.config if config is None else config
        file.write_text(toml(config))
        where = "memory:" if cls.store == "memory" else f"sqlite:{database or cls.database}"
        keys = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": cls.upstream.url + "/v1",
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": cls.upstream.url,
        }
        named = () if model is None else ("--model", model)
        return Server(
            "--config",
            file,
            "--listen",
            listen,
            "--store",
            where,
            *named,
            *cls.arguments,
            *arguments,
            env=keys | ({} if RESILIENCE & config.keys() else ONE_CALL) | cls.env | (env or {}),
            cwd=cls.folder,
        )

    @classmethod
    def end(cls, server):
        if server.process.returncode == -signal.SIGKILL:
            return  # the test killed it
        code = server.stop() if server.alive else server.wait()
        reports = [line for line in server.log if any(r in line for r in REPORTS)]
        if code or reports:
            raise AssertionError(f"the server ended with {code}:\n" + "\n".join((reports + server.log)[-60:]))

    def running(self, *arguments, **options):
        """A server that ends with this test."""
        server = self.start(*arguments, **options)
        self.addCleanup(self.end, server)
        return server

    # -- assertions ----------------------------------------------------------------------------------------------

    def assert_error(self, response, status, code, *parts):
        """An error answer of the documented shape; each of `parts` stands in it."""
        self.assertEqual(response.status, status, response.body)
        body = response.json
        self.assert_error_body(body, code, *parts)
        return body

    def assert_error_body(self, body, code, *parts):
        self.assertEqual(body["code"], code, body)
        for member in ("error", "message", "request_id"):
            self.assertTrue(isinstance(body[member], str) and body[member], f"{member} in {body}")
        for part in parts:
            self.assertIn(part, json.dumps(body, ensure_ascii=False))

    def assert_answer(self, response, text=None):
        self.assertEqual(response.status, 200, response.body)
        if text is not None:
            self.assertEqual(response.json["message"], text)
        return response.json


@functools.cache
def raise_open_file_limit():
    """As many descriptors as the hard limit allows, for this process and the servers it starts; how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
