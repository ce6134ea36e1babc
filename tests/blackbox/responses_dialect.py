"""An Answer in the bytes of OpenAI's Responses API, streaming and whole. Pure: no sockets."""

from answers import Refusal, Thinking, Tool
from dialects import event


class Responses:
    name = "openai-responses"
    content_type = "text/event-stream"
    ping = b": ping\n\n"

    def __init__(self, model, answer, words):
        self.model, self.answer, self.used = model, answer, self.usage(answer.reported(words))
        self.number, self.outputs, self.text = 0, [], None

    @staticmethod
    def serves(path):
        return path == "/v1/responses"

    @staticmethod
    def usage(u):
        if u is None:
            return None
        return {
            "input_tokens": u.input + u.cache_read + u.cache_write,
            "input_tokens_details": {"cached_tokens": u.cache_read},
            "output_tokens": u.output + u.reasoning,
            "output_tokens_details": {"reasoning_tokens": u.reasoning},
            "total_tokens": u.input + u.cache_read + u.cache_write + u.output + u.reasoning,
        }

    def event(self, kind, **members):
        self.number += 1
        return event({"type": kind, "sequence_number": self.number - 1} | members, kind)

    def response(self, status, **members):
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1700000000,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": "echoed-name",
            "output": self.outputs,
            "usage": None,
        } | members

    def opening(self):
        return self.event("response.created", response=self.response("in_progress"))

    def end_text(self):
        if self.text is None:
            return b""
        index, text, self.text = len(self.outputs), self.text, None
        part = {"type": "output_text", "annotations": [], "text": text}
        item = {"id": f"msg_{index}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        self.outputs.append(item)
        at = {"item_id": item["id"], "output_index": index, "content_index": 0}
        return (
            self.event("response.output_text.done", text=text, **at)
            + self.event("response.content_part.done", part=part, **at)
            + self.event("response.output_item.done", output_index=index, item=item)
        )

    def item(self, item):
        index = len(self.outputs)
        if isinstance(item, (str, Refusal)):
            text, begun = item if isinstance(item, str) else item.text, b""
            at = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
            if self.text is None:
                self.text = ""
                empty = {"id": f"msg_{index}", "type": "message", "status": "in_progress", "role": "assistant"}
                part = {"type": "output_text", "annotations": [], "text": ""}
                begun = self.event("response.output_item.added", output_index=index, item=empty | {"content": []})
                begun += self.event("response.content_part.added", part=part, **at)
            self.text += text
            return begun + self.event("response.output_text.delta", delta=text, **at)
        ended = self.end_text()
        index = len(self.outputs)
        if isinstance(item, Thinking):
            summary = [{"type": "summary_text", "text": item.text}]
            whole = {"id": f"rs_{index}", "type": "reasoning", "summary": summary, "encrypted_content": "opaque"}
            self.outputs.append(whole)
            return (
                ended
                + self.event("response.output_item.added", output_index=index, item=whole | {"summary": []})
                + self.event(
                    "response.reasoning_summary_text.delta", output_index=index, summary_index=0, delta=item.text
                )
                + self.event("response.output_item.done", output_index=index, item=whole)
            )
        if isinstance(item, Tool):
            whole = {"id": f"fc_{index}", "type": "function_call", "status": "completed", "call_id": item.id}
            whole |= {"name": item.name, "arguments": "".join(item.fragments)}
            self.outputs.append(whole)
            ended += self.event("response.output_item.added", output_index=index, item=whole | {"arguments": ""})
            for f in item.fragments:
                ended += self.event("response.function_call_arguments.delta", output_index=index, delta=f)
            return ended + self.event("response.output_item.done", output_index=index, item=whole)
        return b""

    def final(self):
        if self.answer.finish:
            return self.response("incomplete", incomplete_details={"reason": self.answer.finish}, usage=self.used)
        return self.response("completed", usage=self.used)

    def closing(self):
        ended = self.end_text()
        if not self.answer.done:
            return ended
        final = self.final()
        return ended + self.event("response." + final["status"], response=final)

    def whole(self):
        for item in self.answer.items:
            self.item(item)
        self.end_text()
        return self.final()
