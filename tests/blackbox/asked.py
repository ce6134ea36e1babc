"""A client of providers: what a request to one of the three wires brought, whole or streamed."""

import json
import time

import eventstream
from client import Closed, Connection


class Asked:
    """One request to the provider and what came of it: `status`, `headers`, `text`, `reason`, `usage`, `error`."""

    def __init__(self, provider, wire, model, texts=("Tell me.",), stream=True, **fields):
        self.text, self.reason, self.usage, self.error, self.broken = "", None, None, None, None
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        path = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}.get(wire)
        body = {"model": model, "stream": stream, "max_tokens": 4096, "messages": messages}
        if wire == "bedrock":
            path = f"/model/{model}/converse" + ("-stream" if stream else "")
            body = {"messages": [m | {"content": [{"text": m["content"]}]} for m in messages]}
        self.began = time.monotonic()
        with Connection(provider.url) as connection:
            try:
                connection.send_request("POST", path, body | fields)
                self.head = connection.read_head()
                self.head_at = time.monotonic()
                self.read(wire, connection, stream)
            except (Closed, ConnectionError, ValueError) as problem:
                self.broken = problem
        self.ended = time.monotonic()

    def read(self, wire, connection, stream):
        if self.head.status != 200 or not stream:
            value = json.loads(b"".join(connection.pieces(self.head)))
            getattr(self, "whole_" + wire)(value) if self.head.status == 200 else setattr(self, "error", value)
        elif wire == "bedrock":
            body = b""
            try:
                for piece in connection.pieces(self.head):
                    body += piece
            finally:
                for headers, payload in eventstream.frames(body):
                    self.frame(headers, json.loads(payload))
        else:
            for event in connection.events(self.head):
                if event.name != ":":
                    getattr(self, "event_" + wire)(event)

    def whole_openai(self, value):
        self.text = value["choices"][0]["message"]["content"]
        self.reason, self.usage = value["choices"][0]["finish_reason"], value["usage"]

    def whole_anthropic(self, value):
        self.text = "".join(b["text"] for b in value["content"])
        self.reason, self.usage = value["stop_reason"], value["usage"]

    def whole_bedrock(self, value):
        self.text = "".join(b["text"] for b in value["output"]["message"]["content"])
        self.reason, self.usage = value["stopReason"], value["usage"]

    def event_openai(self, event):
        if event.data == "[DONE]":
            self.done = True
            return
        if "error" in event.json:
            self.error = event.json
            return
        for choice in event.json["choices"]:
            self.text += choice["delta"].get("content") or ""
            self.reason = choice["finish_reason"] or self.reason
        self.usage = event.json.get("usage") or self.usage

    def event_anthropic(self, event):
        self.text += event.json.get("delta", {}).get("text", "")
        self.reason = event.json.get("delta", {}).get("stop_reason") or self.reason
        self.usage = (self.usage or {}) | event.json.get("message", event.json).get("usage", {})
        self.error = event.json if event.name == "error" else self.error
        self.done = event.name == "message_stop"

    def frame(self, headers, value):
        self.text += value.get("delta", {}).get("text", "")
        self.reason = value.get("stopReason", self.reason)
        self.usage = value.get("usage", self.usage)
        self.error = value if headers[":message-type"] == "exception" else self.error

    @property
    def status(self):
        return self.head.status

    done = False
