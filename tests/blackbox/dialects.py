"""An Answer in the bytes of OpenAI Chat Completions and Anthropic Messages, streaming and whole. Pure: no sockets."""

import json

from answers import NEXT_BLOCK, Refusal, Thinking, Tool


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def event(data, name=None):
    """One server-sent event."""
    text = data if isinstance(data, str) else compact(data)
    return ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()


class OpenAi:
    """Chat Completions."""

    name = "openai"
    content_type = "text/event-stream"
    ping = b": ping\n\n"

    @staticmethod
    def serves(path):
        return path == "/v1/chat/completions"

    def __init__(self, model, answer, words):
        self.model, self.answer, self.used = model, answer, self.usage(answer.reported(words))
        tools = any(isinstance(i, Tool) for i in answer.items)
        self.finish = answer.finish or ("tool_calls" if tools else "stop")
        self.tools_seen = 0

    @staticmethod
    def usage(u):
        if u is None:
            return None
        out = {"prompt_tokens": u.input + u.cache_read + u.cache_write, "completion_tokens": u.output + u.reasoning}
        out["total_tokens"] = sum(out.values())
        if u.cache_read or u.cache_write:
            out["prompt_tokens_details"] = {"cached_tokens": u.cache_read, "cache_write_tokens": u.cache_write}
        if u.reasoning:
            out["completion_tokens_details"] = {"reasoning_tokens": u.reasoning}
        return out

    def chunk(self, delta, finish=None):
        return event(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1700000000,
                "model": "echoed-name",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
                "usage": None,
            }
        )

    def opening(self):
        return self.chunk({"role": "assistant", "content": ""})

    def item(self, item):
        if isinstance(item, str):
            return self.chunk({"content": item})
        if isinstance(item, Thinking):
            return self.chunk({"reasoning_content": item.text})
        if isinstance(item, Refusal):
            return self.chunk({"refusal": item.text})
        if isinstance(item, Tool):
            index, self.tools_seen = self.tools_seen, self.tools_seen + 1
            first = {
                "index": index,
                "id": item.id,
                "type": "function",
                "function": {"name": item.name, "arguments": ""},
            }
            rest = [{"index": index, "function": {"arguments": f}} for f in item.fragments]
            return b"".join(self.chunk({"tool_calls": [call]}) for call in [first, *rest])
        return b""

    def closing(self):
        usage = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": self.used}
        return (
            self.chunk({}, self.finish)
            + (event(usage) if self.used else b"")
            + (event("[DONE]") if self.answer.done else b"")
        )

    def whole(self):
        items = self.answer.items
        message = {"role": "assistant", "content": "".join(i for i in items if isinstance(i, str)) or None}
        if refusal := "".join(i.text for i in items if isinstance(i, Refusal)):
            message["refusal"] = refusal
        if thinking := "".join(i.text for i in items if isinstance(i, Thinking)):
            message["reasoning_content"] = thinking
        if tools := [i for i in items if isinstance(i, Tool)]:
            message["tool_calls"] = [
                {
                    "id": t.id,
                    "type": "function",
                    "function": {"name": t.name, "arguments": "".join(t.fragments) or "{}"},
                }
                for t in tools
            ]
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "echoed-name",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
        }
        return whole | ({"usage": self.used} if self.used else {})


class Anthropic:
    """Messages."""

    name = "anthropic"
    content_type = "text/event-stream"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'

    @staticmethod
    def serves(path):
        return path == "/v1/messages"

    def __init__(self, model, answer, words):
        self.model, self.answer, self.used = model, answer, self.usage(answer.reported(words))
        tools = any(isinstance(i, Tool) for i in answer.items)
        self.finish = answer.finish or ("tool_use" if tools else "end_turn")
        self.index, self.open = -1, None

    @staticmethod
    def usage(u):
        if u is None:
            return None
        out = {
            "input_tokens": u.input,
            "cache_read_input_tokens": u.cache_read,
            "cache_creation_input_tokens": u.cache_write,
            "output_tokens": u.output + u.reasoning,
        }
        return out | ({"output_tokens_details": {"thinking_tokens": u.reasoning}} if u.reasoning else {})

    @staticmethod
    def event(kind, **members):
        return event({"type": kind} | members, kind)

    def opening(self):
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "echoed-name",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        if self.used:
            message["usage"] = self.used | {"output_tokens": 1}
        return self.event("message_start", message=message)

    def block(self, kind, start):
        """Closes the open block and begins one of this kind, unless it goes on."""
        if self.open == kind and kind != "tool_use":
            return b""
        ended = self.end_block()
        self.open, self.index = kind, self.index + 1
        return ended + self.event("content_block_start", index=self.index, content_block={"type": kind} | start)

    def end_block(self):
        ended = self.event("content_block_stop", index=self.index) if self.open else b""
        self.open = None
        return ended

    def delta(self, kind, **members):
        return self.event("content_block_delta", index=self.index, delta={"type": kind} | members)

    def item(self, item):
        if isinstance(item, (str, Refusal)):
            text = item if isinstance(item, str) else item.text
            return self.block("text", {"text": ""}) + self.delta("text_delta", text=text)
        if isinstance(item, Thinking):
            start = self.block("thinking", {"thinking": "", "signature": ""})
            return start + self.delta("thinking_delta", thinking=item.text)
        if isinstance(item, Tool):
            start = self.block("tool_use", {"id": item.id, "name": item.name, "input": {}})
            return start + b"".join(self.delta("input_json_delta", partial_json=f) for f in item.fragments)
        return self.end_block() if item is NEXT_BLOCK else b""

    def closing(self):
        cumulative = ("output_tokens", "output_tokens_details")
        usage = {"usage": {k: v for k, v in self.used.items() if k in cumulative}} if self.used else {}
        delta = {"stop_reason": self.finish, "stop_sequence": None}
        return (
            self.end_block()
            + self.event("message_delta", delta=delta, **usage)
            + (self.event("message_stop") if self.answer.done else b"")
        )

    def whole(self):
        content, fresh = [], True
        for item in self.answer.items:
            if isinstance(item, (str, Refusal)):
                text = item if isinstance(item, str) else item.text
                if not fresh and content and content[-1]["type"] == "text":
                    content[-1]["text"] += text
                else:
                    content.append({"type": "text", "text": text})
                fresh = False
            elif isinstance(item, Thinking):
                content.append({"type": "thinking", "thinking": item.text, "signature": "sig"})
            elif isinstance(item, Tool):
                arguments = json.loads("".join(item.fragments) or "{}")
                content.append({"type": "tool_use", "id": item.id, "name": item.name, "input": arguments})
            elif item is NEXT_BLOCK:
                fresh = True
        whole = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "echoed-name",
            "content": content,
            "stop_reason": self.finish,
            "stop_sequence": None,
        }
        return whole | ({"usage": self.used} if self.used else {})
