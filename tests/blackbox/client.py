"""A blocking HTTP/1.1 and SSE client that shows what came over the wire, and can misbehave (raw bytes, no reading)."""

import dataclasses
import json
import socket
import time

TERMINAL = ("turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted")


@dataclasses.dataclass
class Response:
    version: str
    status: int
    header_list: list  # [(lower-case name, value)], repeated ones too
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)  # [(lower-case name, value)]

    @property
    def headers(self):
        return dict(self.header_list)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def is_stream(self):
        return self.headers.get("content-type", "").startswith("text/event-stream")


@dataclasses.dataclass
class Event:
    name: str  # ":" for a comment line
    data: str
    id: str
    at: float

    @property
    def json(self):
        return json.loads(self.data)


class Closed(Exception):
    """The server closed the connection before a whole answer came."""


class Connection:
    """One connection; requests may follow each other. `timeout` (seconds) bounds every wait."""

    def __init__(self, server_url, timeout=30, receive_buffer=None):
        host, _, port = server_url.removeprefix("http://").rpartition(":")
        self.authority, self.rest = f"{host}:{port}", b""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_request(self, method, path, body=None, headers=None):
        self.send(self.format(method, path, body, headers))

    def format(self, method, path, body=None, headers=None):
        """The request's bytes. A body that is no bytes goes as JSON; a header whose value is None is left out."""
        lines = {"host": self.authority}
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
            lines |= {"content-type": "application/json", "content-length": str(len(body))}
        lines |= {k.lower(): v for k, v in (headers or {}).items()}
        text = "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
        return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode("latin1") + (body or b"")

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed
        self.rest += data

    def take_until(self, mark):
        while mark not in self.rest:
            self.receive()
        data, _, self.rest = self.rest.partition(mark)
        return data

    def take(self, size):
        while len(self.rest) < size:
            self.receive()
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def read_head(self):
        first, *lines = self.take_until(b"\r\n\r\n").decode("latin1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        return Response(version, int(status), [(name.lower(), value.strip()) for name, _, value in pairs])

    def pieces(self, response):
        """The body as it comes, by its framing."""
        if response.status in (204, 304) or response.status < 200:
            return
        if response.headers.get("transfer-encoding") == "chunked":
            while size := int(self.take_until(b"\r\n"), 16):
                yield self.take(size)
                assert self.take(2) == b"\r\n", "a chunk does not end with CRLF"
            while line := self.take_until(b"\r\n").decode("latin1"):
                name, _, value = line.partition(":")
                response.trailers.append((name.lower(), value.strip()))
            announced = [name.strip() for name in response.headers.get("trailer", "").split(",")]
            assert all(name in announced for name, _ in response.trailers), f"unannounced: {response.trailers}"
        elif "content-length" in response.headers:
            yield self.take(int(response.headers["content-length"]))
        else:
            try:
                while True:
                    yield self.take(max(1, len(self.rest)))
            except Closed:
                return

    def read_response(self, without_body=False):
        response = self.read_head()
        if not without_body:
            response.body = b"".join(self.pieces(response))
        return response

    def request(self, method, path, body=None, headers=None):
        self.send_request(method, path, body, headers)
        return self.read_response(without_body=method == "HEAD")

    def closed_by_server(self):
        """True when the server closes (cleanly or by reset) within the timeout; what it sent before is in `rest`."""
        try:
            while True:
                self.receive()
        except (Closed, ConnectionError):
            return True
        except TimeoutError:
            return False

    def events(self, response):
        """The response's events in order; strict about the format."""
        buffer, name, lines, last_id = b"", "", [], ""
        for piece in self.pieces(response):
            buffer += piece
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                field, _, value = line.decode().partition(":")
                value = value.removeprefix(" ")
                if not line:
                    if lines:
                        yield Event(name, "\n".join(lines), last_id, time.monotonic())
                    name, lines = "", []
                elif field == "":
                    yield Event(":", value, last_id, time.monotonic())
                elif field == "event":
                    name = value
                elif field == "data":
                    lines.append(value)
                elif field == "id":
                    last_id = value
                else:
                    raise AssertionError(f"not a line of an event stream: {line!r}")
        assert not buffer and not lines, "the stream ended inside an event"


class Stream:
    """One streamed turn, followed event by event."""

    def __init__(self, connection, response):
        self.connection, self.response, self.events = connection, response, []
        self.source = connection.events(response)

    def next(self):
        event = next(self.source)
        self.events.append(event)
        return event

    def event(self):
        """The next event that is no comment."""
        while (event := self.next()).name == ":":
            pass
        return event

    def until(self, *names):
        """Reads up to and including the next event with one of these names."""
        while (event := self.next()).name not in names:
            pass
        return event

    def finish(self):
        """Reads to the end of the body; returns the terminal event."""
        self.events.extend(self.source)
        return next((e for e in reversed(self.events) if e.name in TERMINAL), None)

    def named(self, name):
        return [e for e in self.events if e.name == name]

    @property
    def text(self):
        """The answer so far, as a reader who knows text.replaced shows it."""
        text = ""
        for event in self.events:
            if event.name in ("text.delta", "text.replaced"):
                text = event.json["text"] if event.name == "text.replaced" else text + event.json["text"]
        return text

    @property
    def seen(self):
        """[(id, name, data)] of all events: what another reader must see too. Not comments, not this request's own id."""
        events = [(e.id, e.name, e.json) for e in self.events if e.name != ":"]
        return [(id_, name, {k: v for k, v in data.items() if k != "request_id"}) for id_, name, data in events]

    def close(self):
        self.connection.close()


def request(server_url, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own."""
    with Connection(server_url, timeout) as connection:
        return connection.request(method, path, body, headers)


def open_stream(server_url, body, headers=None, timeout=30, path="/chat"):
    """A POST that asks for events; a response that is no stream is given back as it is, whole."""
    return open_events(server_url, path, "POST", body | {"stream": True}, headers, timeout)


def open_events(server_url, path, method="GET", body=None, headers=None, timeout=30, receive_buffer=None):
    connection = Connection(server_url, timeout, receive_buffer)
    connection.send_request(method, path, body, headers)
    response = connection.read_head()
    if response.is_stream:
        return Stream(connection, response)
    response.body = b"".join(connection.pieces(response))
    connection.close()
    return response
