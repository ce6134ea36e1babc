"""Frames of application/vnd.amazon.eventstream (AWS: "Amazon event stream", as Bedrock sends them). Pure: bytes to bytes."""

import json
import struct
import zlib


def frame(headers, payload):
    """One frame; headers are strings (type 7)."""
    packed = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return start + struct.pack(">I", zlib.crc32(start))


def message(kind, name, value):
    """An event or an exception with a JSON payload."""
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return frame(headers, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def with_wrong_crc(data):
    """The same frame, damaged on its way."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


def frames(data):
    """[(headers, payload)] of whole frames; ValueError for damaged ones."""
    found = []
    while data:
        if len(data) < 16:
            raise ValueError("the last frame is cut")
        total, size = struct.unpack(">II", data[:8])
        if total > len(data) or size > total - 16:
            raise ValueError("a wrong length, or the last frame is cut")
        whole, data = data[:total], data[total:]
        if zlib.crc32(whole[:8]) != struct.unpack(">I", whole[8:12])[0]:
            raise ValueError("wrong CRC of a prelude")
        if zlib.crc32(whole[:-4]) != struct.unpack(">I", whole[-4:])[0]:
            raise ValueError("wrong CRC of a frame")
        rest, headers = whole[12 : 12 + size], {}
        while rest:
            name, rest = rest[1 : 1 + rest[0]].decode(), rest[1 + rest[0] :]
            kind, length = struct.unpack(">BH", rest[:3])
            if kind != 7:
                raise ValueError("a header that is no string")
            headers[name], rest = rest[3 : 3 + length].decode(), rest[3 + length :]
        found.append((headers, whole[12 + size : -4]))
    return found
