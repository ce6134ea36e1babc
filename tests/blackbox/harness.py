"""Starts the real server on free ports with the fake upstream behind it, and ends it whatever happens.

TERTULIA_BINARY names the binary (ctest sets it); without it build/dev/tertulia or build/release/tertulia is used.
"""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import queue
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import client
from fake_upstream import FakeUpstream

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 30
KEY = "sk-blackbox-0123456789-never-to-be-seen"
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")

libc = ctypes.CDLL(None)


def binary():
    named = os.environ.get("TERTULIA_BINARY")
    candidates = [named] if named else [ROOT / "build/dev/tertulia", ROOT / "build/release/tertulia"]
    for candidate in candidates:
        if pathlib.Path(candidate).exists():
            return str(candidate)
    raise RuntimeError(f"no server binary: {', '.join(map(str, candidates))} (build it, or set TERTULIA_BINARY)")


def wait_for(condition, what="the condition", seconds=20):
    """Polls until condition() is true; returns its value. The only wait of these tests that is not for bytes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)
    return value


def prepare_child():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no server outlives its tests
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write over RLIMIT_FSIZE fails instead of killing


def environment(extra=None):
    """The caller's environment without what would configure the server, plus `extra` (None removes)."""
    ours = ("TERTULIA_", "OPENAI_", "ANTHROPIC_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | (extra or {})
    return {k: v for k, v in env.items() if v is not None}


def run(*arguments, env=None, cwd=None, timeout=START_SECONDS):
    """Runs the binary to its end: (exit code, standard output, standard error)."""
    done = subprocess.run(
        [binary(), *map(str, arguments)],
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=prepare_child,
    )
    return done.returncode, done.stdout, done.stderr


class Refused(Exception):
    """The server did not start; `code` and `output` tell how it ended."""

    def __init__(self, code, output):
        super().__init__(f"exit code {code}: {output[-2000:]}")
        self.code, self.output = code, output


class Server:
    """One run of `tertulia serve`. Start it in the main thread: the kernel ties its life to the starting thread's."""

    def __init__(self, *arguments, env=None, cwd=None):
        self.process = subprocess.Popen(
            [binary(), "serve", *map(str, arguments)],
            env=environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=prepare_child,
        )
        self.log, self.output, self.lines = [], [], queue.Queue()
        self.readers = [
            threading.Thread(target=self.read, args=pipe, daemon=True)
            for pipe in ((self.process.stdout, self.output), (self.process.stderr, self.log))
        ]
        for reader in self.readers:
            reader.start()
        self.url = self.wait_listening()

    def read(self, pipe, kept):
        for line in pipe:
            kept.append(line.decode("utf-8", "replace").rstrip("\n"))
            if kept is self.output:
                self.lines.put(kept[-1])
        if kept is self.output:
            self.lines.put(None)

    def wait_listening(self):
        end = time.monotonic() + START_SECONDS
        while (line := self.next_line(end)) is not None:
            if line.startswith("listening on "):
                return line.removeprefix("listening on ")
        self.kill()
        raise Refused(self.process.returncode, "\n".join(self.output + self.log))

    def next_line(self, end):
        with contextlib.suppress(queue.Empty):
            return self.lines.get(timeout=max(0.0, end - time.monotonic()))
        return None

    @property
    def alive(self):
        return self.process.poll() is None

    @property
    def log_text(self):
        return "\n".join(self.log)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=30):
        """The exit code, once everything it wrote was read."""
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join()
        return code

    def stop(self):
        self.terminate()
        return self.wait()

    def kill(self):
        if self.alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)  # it may be about to end by itself: keep its exit code
        if self.alive:
            self.process.kill()
        return self.wait()

    def limit_file_size(self, size):
        """Files of the running server may not grow beyond this (None: no limit): our full disk."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    # -- requests ------------------------------------------------------------------------------------------------

    def request(self, method, path, body=None, headers=None, timeout=30):
        return client.request(self.url, method, path, body, headers, timeout)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def chat(self, message, session=None, timeout=30, headers=None, **fields):
        return self.request("POST", "/chat", chat_body(message, session, fields), headers, timeout)

    def stream(self, message, session=None, timeout=30, headers=None, **fields):
        return client.open_stream(self.url, chat_body(message, session, fields), headers, timeout)

    def page(self, session, **query):
        """One page of a session's messages."""
        path = f"/sessions/{urllib.parse.quote(session)}/messages"
        return self.get(path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def history(self, session):
        """All messages, following `next`; none for a session that does not exist."""
        messages, query = [], {"limit": 500}
        while True:
            response = self.page(session, **query)
            if response.status == 404 and not messages:
                return []
            assert response.status == 200, response.body
            messages += response.json["messages"]
            if response.json["next"] is None:
                return messages
            query["after"] = response.json["next"]

    def wait_idle(self, session, seconds=20):
        """Waits until no turn of the session runs; its history."""
        wait_for(lambda: self.page(session).json.get("running") is None, f"the end of the turn of {session}", seconds)
        return self.history(session)


def chat_body(message, session, fields):
    body = ({} if message is None else {"message": message}) | ({} if session is None else {"session_id": session})
    return body | fields


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
        file.write_text(toml(cls.config if config is None else config))
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
            env=keys | cls.env | (env or {}),
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
