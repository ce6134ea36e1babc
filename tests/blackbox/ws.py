"""A WebSocket client (RFC 6455) of our own that sees every frame, and can send wrong ones."""

import base64
import contextlib
import hashlib
import json
import os
import struct
import time

from client import TERMINAL, Closed, Connection

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_CODE = 1005


class Refused(Exception):
    """The server did not switch protocols; `response` is what it said instead."""

    def __init__(self, response):
        super().__init__(f"{response.status}: {response.body[:300]}")
        self.response = response


def upgrade_headers(key="dGhlIHNhbXBsZSBub25jZQ==", **more):
    return {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": key,
        "sec-websocket-version": "13",
    } | more


class WebSocket:
    """One socket. Protocol pings are answered while it reads, unless `answer_pings` is off."""

    def __init__(self, server_url, headers=None, path="/ws", timeout=30, receive_buffer=None):
        self.connection = Connection(server_url, timeout, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.send_request("GET", path, headers=upgrade_headers(key) | (headers or {}))
        self.response = self.connection.read_head()
        if self.response.status != 101:
            self.response.body = b"".join(self.connection.pieces(self.response))
            self.connection.close()
            raise Refused(self.response)
        expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert self.response.headers["sec-websocket-accept"] == expected, self.response.headers
        assert self.response.headers["upgrade"].lower() == "websocket", self.response.headers
        self.answer_pings, self.pings, self.messages, self.close_code = True, [], [], None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Without a word, as a phone does."""
        self.connection.close()

    # -- sending -------------------------------------------------------------------------------------------------

    @staticmethod
    def encode(opcode, data=b"", final=True, masked=True, reserved=0, size=None):
        """The bytes of a frame; `size`: the length that it pretends to have."""
        size = len(data) if size is None else size
        first = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
        mark = 0x80 if masked else 0
        if size < 126:
            length = bytes([mark | size])
        elif size < 65536:
            length = bytes([mark | 126]) + struct.pack(">H", size)
        else:
            length = bytes([mark | 127]) + struct.pack(">Q", size)
        if not masked:
            return first + length + data
        mask = os.urandom(4)
        masking = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)], "big")
        return first + length + mask + (int.from_bytes(data, "big") ^ masking).to_bytes(len(data), "big")

    def frame(self, opcode, data=b"", **options):
        self.connection.send(self.encode(opcode, data, **options))

    def send(self, message):
        """A message: JSON in one text frame; text and bytes go as they are."""
        text = message if isinstance(message, (str, bytes)) else json.dumps(message, ensure_ascii=False)
        self.frame(TEXT, text if isinstance(text, bytes) else text.encode())

    def chat(self, message, session=None, **fields):
        self.send({"type": "chat", "message": message} | ({"session_id": session} if session else {}) | fields)

    # -- receiving -----------------------------------------------------------------------------------------------

    def read_frame(self):
        """(opcode, payload); strict about what a server may send."""
        first, second = self.connection.take(2)
        assert not second & 0x80, "a server must not mask"
        assert not first & 0x70, "reserved bits without an extension"
        assert first & 0x80, "this server need not fragment"
        size = second
        if size > 125:
            size = int.from_bytes(self.connection.take(2 if size == 126 else 8), "big")
            assert size > (125 if second == 126 else 65535), "a length that is not minimal"
        assert first & 15 < 8 or second <= 125, "a control frame is short"
        return first & 15, self.connection.take(size)

    def next(self):
        """The next message; None when the server closed (`close_code` tells why)."""
        while True:
            opcode, data = self.read_frame()
            if opcode == CLOSE:
                assert len(data) != 1
                self.close_code = int.from_bytes(data[:2], "big") if data else NO_CODE
                self.close_reason = data[2:].decode()
                return None
            if opcode == PING:
                self.pings.append(time.monotonic())
                if self.answer_pings:
                    with contextlib.suppress(ConnectionError):  # it may have closed meanwhile, and said so behind this
                        self.frame(PONG, data)
            elif opcode == TEXT:
                self.messages.append(json.loads(data.decode()))
                return self.messages[-1]
            else:
                assert opcode == PONG, f"opcode {opcode}"

    def until(self, *types):
        """Reads up to and including the next message of one of these types."""
        while (message := self.next()) is not None:
            if message["type"] in types:
                return message
        raise AssertionError(f"closed with {self.close_code} before {types}: {self.messages[-3:]}")

    def finish(self, turn=None):
        """Reads up to the end of a turn (of this one, if named)."""
        while True:
            message = self.until(*TERMINAL)
            if turn is None or message["data"]["turn_id"] == turn:
                return message

    def seen(self, turn=None):
        """[(id, type, data)] of the events, of one turn if named: what a reader of server-sent events sees."""
        events = [(m["id"], m["type"], m["data"]) for m in self.messages if "id" in m]
        events = [(i, t, {k: v for k, v in data.items() if k != "request_id"}) for i, t, data in events]
        return [e for e in events if turn is None or e[0].startswith(turn + ":")]

    def closed(self):
        """Reads to the server's close; the code (None: the connection ended without a close frame)."""
        try:
            while self.next() is not None:
                pass
        except (Closed, ConnectionError):
            return None
        return self.close_code
