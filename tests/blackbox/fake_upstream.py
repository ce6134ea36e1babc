#!/usr/bin/env python3
"""A scripted AI provider on loopback: OpenAI (Chat Completions, Responses), Anthropic Messages and Bedrock (Converse,
InvokeModel), streaming and whole.

In a test:   upstream = FakeUpstream(); upstream.script("some-model", Answer("Hi")); ...; upstream.close()
By hand:     fake_upstream.py [--port N]     every model answers an echo of the last user message

Answers are scripted per model id; each request takes the next one, the last one stays. A model without a script
echoes. Base URLs: `url` for Anthropic and Bedrock, `url + "/v1"` for OpenAI. `requests` is the log.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
import zlib

from all_dialects import DIALECTS
from answers import CONTENT, CUT, END, RESET, STALL, Answer, Pause, Raw
from dialects import compact
from upstream_request import Request


class PeerGone(Exception):
    """The server under test closed its connection."""


class Gate:
    """A place in an answer where the upstream waits until the test opens it."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()
        self.lock, self.wakers = threading.Lock(), []  # what wakes the answers that wait here

    def open(self):
        with self.lock:
            self.opened.set()
            wakers, self.wakers = self.wakers, []
        for wake in wakers:
            wake()

    def arrive(self, wake):
        """An answer came here; `wake` is called when it may go on, at once if it is open."""
        with self.lock:
            if waiting := not self.opened.is_set():
                self.wakers.append(wake)
        self.reached.set()
        if not waiting:
            wake()

    def wait_reached(self, timeout=20):
        if not self.reached.wait(timeout):
            raise AssertionError("the upstream was not asked as far as this gate")


class Held:
    """An answer whose every item waits for the test: `script(model, held.answer)`, then `held.next()`, `held.rest()`."""

    def __init__(self, *items, **options):
        self.gates = [Gate() for _ in items]
        self.answer = Answer(*(part for pair in zip(self.gates, items) for part in pair), **options)
        self.given = 0

    def next(self, count=1):
        for gate in self.gates[self.given : self.given + count]:
            gate.open()
        self.given += count

    def rest(self):
        self.next(len(self.gates) - self.given)


def echo(request):
    """The answer of a model without a script: how many messages it was shown, and the last of them."""
    text = request.messages[-1][1] if request.messages else ""
    size = len(text) // 3 + 1
    return Answer(f"[{len(request.messages)}] ", *(text[i : i + size] for i in range(0, len(text), size)))


class Peer:
    """One connection, server side. A task of its own reads, so that the peer's leaving is known at once."""

    def __init__(self, upstream, reader, writer, number):
        self.upstream, self.reader, self.writer, self.number = upstream, reader, writer, number
        self.early, self.gone, self.gone_at, self.news = b"", False, None, asyncio.Event()

    async def pump(self):
        try:
            while data := await self.reader.read(65536):
                self.early += data
                self.news.set()
        except ConnectionError:
            pass
        self.gone, self.gone_at = True, time.monotonic()
        self.news.set()

    async def more(self):
        """Returns when bytes came; raises PeerGone when none will."""
        if self.gone:
            raise PeerGone
        self.news.clear()
        await self.news.wait()

    async def read_exactly(self, size):
        while len(self.early) < size:
            await self.more()
        data, self.early = self.early[:size], self.early[size:]
        return data

    async def read_until(self, mark):
        while mark not in self.early:
            await self.more()
        data, _, self.early = self.early.partition(mark)
        return data

    async def read_request(self, nth):
        first, *lines = (await self.read_until(b"\r\n\r\n")).decode("latin1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int((await self.read_until(b"\r\n")).split(b";")[0], 16):
                body += await self.read_exactly(size)
                await self.read_until(b"\r\n")
            await self.read_until(b"\r\n")
        else:
            body = await self.read_exactly(int(headers.get("content-length", 0)))
        value = json.loads(body) if body else {}
        method, path, _ = first.split(" ")
        return Request(path, headers, value, self.number, nth, time.monotonic(), body, method)

    async def pause(self, seconds):
        """Sleeps, but raises PeerGone as soon as the peer goes away."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self.more(), left)
            except asyncio.TimeoutError:
                return

    async def step(self, item):
        """Pauses, gates and faults; False for what is content."""
        if isinstance(item, Pause):
            await self.pause(item.seconds)
        elif isinstance(item, Gate):
            item.arrive(lambda: self.upstream.soon(self.news.set))  # the gate belongs to the test's thread
            while not item.opened.is_set():
                await self.more()
        elif item is STALL:
            await self.pause(3600)
        elif item in (CUT, RESET):
            if item is RESET:
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.writer.transport.abort()
            raise PeerGone
        else:
            return False
        return True

    async def send(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError as problem:
            raise PeerGone from problem

    async def serve(self):
        request, nth, pump = None, 0, asyncio.ensure_future(self.pump())
        try:
            while True:
                request, nth = None, nth + 1
                request = await self.read_request(nth)
                if nth > 1 and self.upstream.close_reused:
                    self.upstream.closed_reused += 1
                    return
                self.upstream.requests.append(request)
                await self.play(request, self.upstream.next_answer(request))
                request.answered = True
        except PeerGone:
            if request:
                request.gone_at, request.peer_gone = self.gone_at or time.monotonic(), True
        finally:
            pump.cancel()
            self.writer.close()

    async def play(self, request, answer):
        for item in answer.before:
            await self.step(item)
        dialect = next((d for d in DIALECTS if d.serves(request.path)), None)
        if dialect is None:
            answer, dialect = Answer(status=404, body={"error": {"message": "no such path"}}), DIALECTS[0]
        words = sum(len(text.split()) for _, text in request.messages)
        wire = dialect(request.model, answer, words)
        shape = answer.shape or ("sse" if request.streamed else "json")
        if answer.body is not None or shape == "json":
            await self.play_whole(answer, wire, request)
        else:
            await self.play_stream(answer, wire, request)

    async def play_whole(self, answer, wire, request):
        body = answer.body
        for item in answer.items if body is None else ():
            if item in (CUT, RESET, END):
                data = compact(wire.whole()).encode()
                kind = answer.content_type or "application/json"
                half = data[: len(data) // 2]
                await self.send(head(answer, kind, len(half) if item is END else len(data)) + half)
                if item is END:
                    return
            await self.step(item)
        body = wire.whole() if body is None else body
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else compact(body)).encode()
        data = zlib.compress(data, wbits=31) if answer.gzip else data
        if answer.body is None:
            request.sent += [(time.monotonic(), item) for item in answer.items if isinstance(item, CONTENT)]
        await self.send(head(answer, answer.content_type or "application/json", len(data)) + data)

    async def play_stream(self, answer, wire, request):
        packer = zlib.compressobj(wbits=31) if answer.gzip else None

        async def piece(data, last=False):
            if packer:
                data = packer.compress(data) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
            if data:
                await self.send(data if answer.framing == "close" else b"%x\r\n%s\r\n" % (len(data), data))

        await self.send(head(answer, answer.content_type or wire.content_type))
        await piece(b"" if answer.bare else wire.opening())
        for item in answer.items:
            if item is END:
                break
            if isinstance(item, Raw):
                await piece(item.data)
            elif not await self.step(item):
                await piece(wire.item(item))
                request.sent.append((time.monotonic(), item))
        else:
            await piece(b"" if answer.bare else wire.closing(), last=True)
        if answer.framing == "close":
            raise PeerGone
        await self.send(b"0\r\n\r\n")


def head(answer, kind, length=None):
    headers = {} if kind == "none" else {"content-type": kind}
    headers |= {"content-encoding": "gzip"} if answer.gzip else {}
    headers |= {"connection": "close"} if answer.framing == "close" else {}
    if length is not None:
        headers["content-length"] = str(length)
    elif answer.framing != "close":
        headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{k}: {v}" for k, v in (headers | answer.headers).items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


class FakeUpstream:
    """The server, on a thread of its own."""

    def __init__(self, port=0):
        self.scripts, self.requests, self.connections = {}, [], 0
        self.close_reused, self.closed_reused = False, 0  # a reused connection is closed without a byte of an answer
        self.lock, self.loop, self.ready = threading.Lock(), asyncio.new_event_loop(), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.accept, sock=self.socket))
        self.ready.set()
        self.loop.run_forever()
        for task in (tasks := asyncio.all_tasks(self.loop)):
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    async def accept(self, reader, writer):
        # asyncio does it for sockets of its own making alone; without it a head waits 40 ms for its body.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        try:
            await Peer(self, reader, writer, self.connections).serve()
        except asyncio.CancelledError:
            pass  # close() ends what still runs

    def soon(self, function):
        """Calls it on the upstream's own thread."""
        with contextlib.suppress(RuntimeError):  # closed already
            self.loop.call_soon_threadsafe(function)

    def close(self):
        self.soon(self.loop.stop)
        self.thread.join()
        self.socket.close()

    def script(self, model, *answers):
        """The answers of this model in their order; a function among them makes one from the Request."""
        with self.lock:
            self.scripts[model] = list(answers)

    def next_answer(self, request):
        with self.lock:
            left = self.scripts.get(request.model)
            if not left:
                return echo(request)
            answer = left.pop(0) if len(left) > 1 else left[0]
        return answer(request) if callable(answer) else answer

    def asked(self, model):
        """The requests for one model id, oldest first."""
        return [r for r in list(self.requests) if r.model == model]


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0)
    upstream = FakeUpstream(options.parse_args().port)
    print(f"listening on {upstream.url}", flush=True)
    try:
        upstream.thread.join()
    except KeyboardInterrupt:
        pass
