"""One run of the real server, and the program's other commands.

TERTULIA_BINARY names the binary (ctest sets it); without it build/dev/tertulia or build/release/tertulia is used.
"""

import contextlib
import ctypes
import os
import pathlib
import queue
import resource
import signal
import subprocess
import threading
import time
import urllib.parse

import client

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 30
ENDED = ("completed", "failed", "cancelled", "interrupted")

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
    ours = ("TERTULIA_", "OPENAI_", "ANTHROPIC_", "AWS_")
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}  # not the developer's profiles
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | nobody | (extra or {})
    return {k: v for k, v in env.items() if v is not None}


def run(*arguments, env=None, cwd=None, text="", timeout=START_SECONDS):
    """Runs the binary to its end with `text` on standard input: (exit code, standard output, standard error)."""
    done = subprocess.run(
        [binary(), *map(str, arguments)],
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        input=text.encode(),
        capture_output=True,
        preexec_fn=prepare_child,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


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
        path = session_path(session) + "/messages"
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

    # -- turns ---------------------------------------------------------------------------------------------------

    def turn(self, session, turn):
        return self.get(turn_path(session, turn))

    def wait_turn(self, session, turn, *states, seconds=20):
        """Waits until the turn is in one of these states (any ended one, when none is named); the whole answer."""
        wanted = states or ENDED
        wait_for(lambda: self.turn(session, turn).json.get("state") in wanted, f"{turn} to be {wanted}", seconds)
        return self.turn(session, turn).json

    def cancel(self, session, turn, timeout=30):
        return self.request("POST", turn_path(session, turn) + "/cancel", timeout=timeout)

    def go_on(self, session, turn, stream=False, timeout=30, headers=None, **fields):
        """Continues a turn that is not whole: a Stream, or a Response."""
        path = turn_path(session, turn) + "/continue"
        if stream:
            return client.open_stream(self.url, fields, headers, timeout, path)
        return self.request("POST", path, fields or None, headers, timeout)

    def events(self, session, turn, after=None, **more):
        """The events of one turn, after this event: a Stream, or a Response that is none."""
        headers = {} if after is None else {"last-event-id": after}
        return client.open_events(self.url, turn_path(session, turn) + "/events", headers=headers, **more)

    def feed(self, session, after=None, **more):
        """The events of all turns of a session."""
        headers = {} if after is None else {"last-event-id": after}
        return client.open_events(self.url, session_path(session) + "/events", headers=headers, **more)

    def wait_idle(self, session, seconds=20):
        """Waits until no turn of the session runs; its history."""
        wait_for(lambda: self.page(session).json.get("running") is None, f"the end of the turn of {session}", seconds)
        return self.history(session)


def session_path(session):
    return f"/sessions/{urllib.parse.quote(session)}"


def turn_path(session, turn):
    return f"{session_path(session)}/turns/{urllib.parse.quote(turn)}"


def chat_body(message, session, fields):
    body = ({} if message is None else {"message": message}) | ({} if session is None else {"session_id": session})
    return body | fields
