"""Lambda from the function's side: a Runtime API of our own, and the real program as its bootstrap.

FakeRuntime hands out events and keeps what comes back, byte for byte with the times: chunks, trailers, how connections
end. Function is one sandbox: it can be frozen between invocations as Lambda freezes it, and is ended with its test.
"""

import base64
import contextlib
import json
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

from server import binary, environment, prepare_child, wait_for

RUNTIME = "/2018-06-01/runtime/"
EXTENSION = "/2020-01-01/extension/"
STREAMED = "application/vnd.awslambda.http-integration-response"


class Broken(Exception):
    """The function does not keep to the protocol."""


class Invocation:
    """One event and what became of it."""

    def __init__(self, event, seconds, trace):
        self.id, self.event, self.trace = str(uuid.uuid4()), event, trace
        self.deadline_ms = int((time.time() + seconds) * 1000)
        self.given = self.answered_at = None
        self.headers, self.chunks, self.trailers = {}, [], {}
        self.error = None  # the body of a POST to /error
        self.error_type = None
        self.whole = False  # the body came to its end
        self.closed = threading.Event()  # the answer's connection was closed by the function
        self.changed = threading.Condition()
        self.done = threading.Event()

    # -- what a test looks at

    def wait(self, seconds=30):
        if not self.done.wait(seconds):
            raise AssertionError(f"no answer to the invocation within {seconds} s; so far {self.body!r}")
        return self

    def wait_chunks(self, count, seconds=20):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.chunks) >= count or self.done.is_set(), seconds):
                raise AssertionError(f"{len(self.chunks)} chunks came, not {count}")
        return self.chunks

    @property
    def is_streamed(self):
        return self.headers.get("lambda-runtime-function-response-mode") == "streaming"

    @property
    def body(self):
        return b"".join(data for _, data in self.chunks)

    @property
    def payload(self):
        """The JSON of a buffered answer."""
        return json.loads(self.body)

    @property
    def prelude(self):
        head, mark, _ = self.body.partition(b"\0" * 8)
        if not mark or len(head) > 16 * 1024:
            raise Broken(f"no prelude with its eight NULs in the first 16 KB: {self.body[:200]!r}")
        return json.loads(head)

    @property
    def content(self):
        """The body that the client sees."""
        if self.is_streamed:
            return self.body.partition(b"\0" * 8)[2]
        text = self.payload["body"]
        return base64.b64decode(text) if self.payload["isBase64Encoded"] else text.encode()

    @property
    def status(self):
        return (self.prelude if self.is_streamed else self.payload)["statusCode"]

    @property
    def json(self):
        return json.loads(self.content)

    def field(self, name):
        answer = self.prelude if self.is_streamed else self.payload
        several = answer.get("multiValueHeaders", {}).get(name)
        return several if several else answer["headers"].get(name)

    # -- what the Runtime API does

    def add(self, data):
        with self.changed:
            self.chunks.append((time.monotonic(), data))
            self.changed.notify_all()

    def finish(self):
        self.answered_at = time.monotonic()
        with self.changed:
            self.done.set()
            self.changed.notify_all()


class Peer:
    """One connection of the function."""

    def __init__(self, connection):
        self.connection, self.early = connection, b""

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError
        self.early += data

    def read_line(self):
        while b"\r\n" not in self.early:
            self.more()
        line, _, self.early = self.early.partition(b"\r\n")
        return line.decode("latin1")

    def read(self, size):
        while len(self.early) < size:
            self.more()
        data, self.early = self.early[:size], self.early[size:]
        return data

    def read_fields(self):
        fields = {}
        while line := self.read_line():
            name, colon, value = line.partition(":")
            if not colon:
                raise Broken(f"no header field: {line!r}")
            fields[name.lower()] = value.strip()
        return fields

    def read_body(self, headers, take):
        """Gives each piece to `take`; the trailers."""
        if headers.get("transfer-encoding", "").lower() != "chunked":
            take(self.read(int(headers.get("content-length", 0))))
            return {}
        while size := int(self.read_line(), 16):
            take(self.read(size))
            if self.read(2) != b"\r\n":
                raise Broken("a chunk is longer than it says")
        return self.read_fields()

    def send(self, status, body=b"", headers=()):
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
        self.connection.sendall(head.encode() + b"\r\n" + body)


class FakeRuntime:
    """`refuse`: statuses that the next answers get in the place of 202. `extensions`: may one be registered?"""

    def __init__(self, extensions=True):
        self.events, self.running, self.answers = queue.Queue(), {}, []
        self.init_errors, self.problems, self.refuse = [], [], queue.Queue()
        self.extensions, self.registered, self.extension_waits = extensions, [], threading.Event()
        self.polls, self.waiting, self.lock = 0, 0, threading.Lock()
        self.before_event = self.on_poll = lambda: None
        self.connections = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self.listener.close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def invoke(self, event, seconds=30, trace="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"):
        invocation = Invocation(event if isinstance(event, bytes) else json.dumps(event).encode(), seconds, trace)
        self.running[invocation.id] = invocation
        self.events.put(invocation)
        return invocation

    def wait_polls(self, count=1):
        wait_for(lambda: self.waiting >= count, f"{count} waiting polls")

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.add(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        peer = Peer(connection)
        try:
            while True:
                method, target, _ = peer.read_line().split(" ")
                headers = peer.read_fields()
                self.answer(peer, method, target, headers)
        except Broken as problem:
            self.problems.append(str(problem))
        except (ConnectionError, OSError, ValueError):
            pass
        finally:
            self.connections.discard(connection)
            connection.close()

    def answer(self, peer, method, target, headers):
        if target.startswith(EXTENSION):
            return self.answer_extension(peer, target.removeprefix(EXTENSION), headers)
        if not target.startswith(RUNTIME):
            raise Broken(f"{method} {target}")
        what = target.removeprefix(RUNTIME)
        if (method, what) == ("GET", "invocation/next"):
            return self.answer_next(peer)
        body = []
        if (method, what) == ("POST", "init/error"):
            peer.read_body(headers, body.append)
            self.init_errors.append((headers.get("lambda-runtime-function-error-type"), json.loads(b"".join(body))))
            return peer.send(202, b'{"status":"OK"}')
        _, name, kind = what.split("/")
        invocation = self.running.pop(name, None)
        if invocation is None:
            peer.read_body(headers, body.append)
            self.problems.append(f"an answer to {name}, which does not run")
            return peer.send(403, b"{}")
        status = 202 if self.refuse.empty() else self.refuse.get()
        invocation.headers = headers
        try:
            if kind == "response":
                invocation.trailers = peer.read_body(headers, invocation.add)
            else:
                peer.read_body(headers, body.append)
                invocation.error = json.loads(b"".join(body))
                invocation.error_type = headers.get("lambda-runtime-function-error-type")
            invocation.whole = True
        finally:
            if not invocation.whole:
                invocation.finish()
        self.answers.append(invocation)
        peer.send(status, b'{"status":"OK"}')
        invocation.finish()
        if invocation.is_streamed:
            with contextlib.suppress(ConnectionError):
                peer.more()  # the function closes such a connection
                self.problems.append("something follows a streamed answer on its connection")
            invocation.closed.set()

    def answer_next(self, peer):
        with self.lock:
            self.polls += 1
            self.waiting += 1
        self.on_poll()
        try:
            invocation = self.events.get()
        finally:
            with self.lock:
                self.waiting -= 1
        self.before_event()
        invocation.given = time.monotonic()
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:chat"),
        ]
        if invocation.trace:
            headers.append(("Lambda-Runtime-Trace-Id", invocation.trace))
        try:
            peer.send(200, invocation.event, headers)
        except OSError:
            self.events.put(invocation)  # that poll's connection was gone
            raise

    def answer_extension(self, peer, what, headers):
        if what == "register":
            peer.read_body(headers, self.registered.append)
            if not self.extensions:
                return peer.send(403, b'{"errorType":"Extension.RegistrationClosed"}')
            if self.polls:
                raise Broken("an extension is registered after the first event was asked for")
            return peer.send(200, b"{}", [("Lambda-Extension-Identifier", "ext-1")])
        if what == "event/next" and headers.get("lambda-extension-identifier") == "ext-1":
            self.extension_waits.set()
            peer.more()  # it waits for ever
            return None
        raise Broken(f"extension: {what}")


class Function:
    """One sandbox. Start it in the main thread: the kernel ties its life to the starting thread's."""

    def __init__(self, runtime, env=None, freezes=False, command=None):
        self.runtime, self.folder = runtime, tempfile.TemporaryDirectory()
        self.output, self.log = [], []
        self.process = subprocess.Popen(
            command or [binary()],
            env=environment({"AWS_LAMBDA_RUNTIME_API": runtime.address} | (env or {})),
            cwd=self.folder.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=prepare_child,
        )
        self.readers = [
            threading.Thread(target=self.read, args=pipe, daemon=True)
            for pipe in ((self.process.stdout, self.output), (self.process.stderr, self.log))
        ]
        for reader in self.readers:
            reader.start()
        if freezes:
            runtime.on_poll, runtime.before_event = self.freeze, self.thaw

    def read(self, pipe, kept):
        for line in pipe:
            kept.append(line.decode("utf-8", "replace").rstrip("\n"))

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self, seconds=30):
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join()
        return code

    def stop(self):
        """Ends it as Lambda does; the exit code."""
        if self.process.poll() is None:
            self.thaw()
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.folder.cleanup()

    @property
    def metrics(self):
        """Every line of standard output, which must be one JSON object each."""
        return [json.loads(line) for line in self.output]

    @property
    def logged(self):
        return [json.loads(line) for line in self.log]
