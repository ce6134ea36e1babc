"""A client of providers: what a request to one of the wires brought, whole or streamed."""

import base64
import json
import time

import eventstream
from client import Closed, Connection


class Asked:
    """One request to the provider and what came of it: `status`, `headers`, `text`, `reason`, `usage`, `error`."""

    def __init__(self, provider, wire, model, texts=("Tell me.",), stream=True, **fields):
        self.text, self.reason, self.usage, self.error, self.broken = "", None, None, None, None
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        path = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}.get(wire, "/v1/responses")
        body = {"model": model, "stream": stream, "max_tokens": 4096, "messages": messages}
        if wire == "bedrock":
            path = f"/model/{model}/converse" + ("-stream" if stream else "")
            body = {"messages": [m | {"content": [{"text": m["content"]}]} for m in messages]}
        if wire == "bedrock-invoke":
            path = f"/model/{model}/invoke" + ("-with-response-stream" if stream else "")
            body = {"messages": messages, "max_tokens": 4096}
        if wire == "openai-responses":
            body = {"model": model, "stream": stream, "input": messages}
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
            readers = {"bedrock-invoke": "anthropic", "openai-responses": "responses"}
            reader = getattr(self, "whole_" + readers.get(wire, wire))
            reader(value) if self.head.status == 200 else setattr(self, "error", value)
        elif wire.startswith("bedrock"):
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
                    getattr(self, "event_" + wire.rpartition("-")[2])(
                        event.json if event.data[0] == "{" else event.data
                    )

    def whole_openai(self, value):
        self.text = value["choices"][0]["message"]["content"]
        self.reason, self.usage = value["choices"][0]["finish_reason"], value["usage"]

    def whole_anthropic(self, value):
        self.text = "".join(b["text"] for b in value["content"])
        self.reason, self.usage = value["stop_reason"], value["usage"]

    def whole_bedrock(self, value):
        self.text = "".join(b["text"] for b in value["output"]["message"]["content"])
        self.reason, self.usage = value["stopReason"], value["usage"]

    def whole_responses(self, value):
        self.text = "".join(p["text"] for item in value["output"] for p in item["content"])
        self.reason, self.usage = (value["incomplete_details"] or {}).get("reason", value["status"]), value["usage"]

    def event_openai(self, value):
        if value == "[DONE]":
            self.done = True
            return
        if "error" in value:
            self.error = value
            return
        for choice in value["choices"]:
            self.text += choice["delta"].get("content") or ""
            self.reason = choice["finish_reason"] or self.reason
        self.usage = value.get("usage") or self.usage

    def event_responses(self, value):
        if value["type"] == "response.output_text.delta":
            self.text += value["delta"]
        if value["type"] in ("response.completed", "response.incomplete"):
            self.done = True
            self.whole_responses(value["response"])
        self.error = value if value["type"] == "error" else self.error

    def event_anthropic(self, value):
        self.text += value.get("delta", {}).get("text", "")
        self.reason = value.get("delta", {}).get("stop_reason") or self.reason
        self.usage = (self.usage or {}) | value.get("message", value).get("usage", {})
        self.error = value if value["type"] == "error" else self.error
        self.done = value["type"] == "message_stop"

    def frame(self, headers, value):
        if "bytes" in value:
            return self.event_anthropic(json.loads(base64.b64decode(value["bytes"])))
        self.text += value.get("delta", {}).get("text", "")
        self.reason = value.get("stopReason", self.reason)
        self.usage = value.get("usage", self.usage)
        self.error = value if headers[":message-type"] == "exception" else self.error

    @property
    def status(self):
        return self.head.status

    done = False
