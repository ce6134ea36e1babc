"""An Answer in the bytes of Bedrock: Converse, and InvokeModel with Anthropic's bodies. Pure: no sockets."""

import base64
import json
import re

import eventstream
from answers import NEXT_BLOCK, Refusal, Thinking, Tool
from dialects import Anthropic, compact


class Converse:
    """`/model/{id}/converse` and `/model/{id}/converse-stream`; signatures are not looked at."""

    name = "bedrock"
    content_type = "application/vnd.amazon.eventstream"
    ping = b""  # there is none

    def __init__(self, model, answer, words):
        self.model, self.answer, self.used = model, answer, self.usage(answer.reported(words))
        tools = any(isinstance(i, Tool) for i in answer.items)
        self.finish = answer.finish or ("tool_use" if tools else "end_turn")
        self.index, self.open = -1, None

    @staticmethod
    def serves(path):
        return re.fullmatch(r"/model/[^/]+/converse(-stream)?", path) is not None

    @staticmethod
    def usage(u):
        if u is None:
            return None
        return {
            "inputTokens": u.input,
            "outputTokens": u.output + u.reasoning,
            "totalTokens": u.input + u.cache_read + u.cache_write + u.output + u.reasoning,
            "cacheReadInputTokens": u.cache_read,
            "cacheWriteInputTokens": u.cache_write,
        }

    @staticmethod
    def event(name, value):
        return eventstream.message("event", name, value | {"p": "abcdefghij"})

    def opening(self):
        return self.event("messageStart", {"role": "assistant"})

    def block(self, kind, start=None):
        """Closes the open block and begins one of this kind, unless it goes on; only tools announce themselves."""
        if self.open == kind and not start:
            return b""
        ended = self.end_block()
        self.open, self.index = kind, self.index + 1
        if not start:
            return ended
        return ended + self.event("contentBlockStart", {"contentBlockIndex": self.index, "start": start})

    def end_block(self):
        ended = self.event("contentBlockStop", {"contentBlockIndex": self.index}) if self.open else b""
        self.open = None
        return ended

    def delta(self, delta):
        return self.event("contentBlockDelta", {"contentBlockIndex": self.index, "delta": delta})

    def item(self, item):
        if isinstance(item, (str, Refusal)):
            text = item if isinstance(item, str) else item.text
            return self.block("text") + self.delta({"text": text})
        if isinstance(item, Thinking):
            return self.block("thinking") + self.delta({"reasoningContent": {"text": item.text}})
        if isinstance(item, Tool):
            start = self.block("tool", {"toolUse": {"toolUseId": item.id, "name": item.name}})
            return start + b"".join(self.delta({"toolUse": {"input": f}}) for f in item.fragments)
        return self.end_block() if item is NEXT_BLOCK else b""

    def closing(self):
        stop = self.end_block() + self.event("messageStop", {"stopReason": self.finish})
        if not self.answer.done or not self.used:
            return stop
        return stop + self.event("metadata", {"usage": self.used, "metrics": {"latencyMs": 1}})

    def whole(self):
        content = []
        for item in self.answer.items:
            if isinstance(item, (str, Refusal)):
                text = item if isinstance(item, str) else item.text
                if content and "text" in content[-1]:
                    content[-1]["text"] += text
                else:
                    content.append({"text": text})
            elif isinstance(item, Thinking):
                content.append({"reasoningContent": {"reasoningText": {"text": item.text, "signature": "sig"}}})
            elif isinstance(item, Tool):
                arguments = json.loads("".join(item.fragments) or "{}")
                content.append({"toolUse": {"toolUseId": item.id, "name": item.name, "input": arguments}})
        whole = {
            "metrics": {"latencyMs": 1},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": self.finish,
        }
        return whole | ({"usage": self.used} if self.used else {})


class Invoke(Anthropic):
    """`/model/{id}/invoke` and `/model/{id}/invoke-with-response-stream`: Anthropic's events in `chunk` frames."""

    name = "bedrock-invoke"
    content_type = "application/vnd.amazon.eventstream"
    ping = b""

    @staticmethod
    def serves(path):
        return re.fullmatch(r"/model/[^/]+/invoke(-with-response-stream)?", path) is not None

    @staticmethod
    def event(kind, **members):
        told = compact({"type": kind} | members).encode()
        return eventstream.message("event", "chunk", {"bytes": base64.b64encode(told).decode(), "p": "abcdefghij"})
