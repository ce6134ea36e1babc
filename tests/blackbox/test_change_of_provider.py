"""A session that goes from any provider to any other, with tools, images and thinking in its history: each is asked in its
own words, and nothing is missing of what it can be told."""

import base64
import itertools
import unittest

from answers import CUT, Answer, Thinking, Tool
from test_bedrock import BedrockCase

PROVIDERS = ("openai", "openai-responses", "anthropic", "bedrock", "bedrock-invoke")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:"  # Bedrock's InvokeModel is for Anthropic's models alone
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not really").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}


def in_pairs(calls, results):
    assert calls == results, f"calls {calls}, results {results}"
    return len(calls)


def chat_pairs(body):
    """Asserts that the body's calls and results stand where the API wants them; how many there are."""
    pairs, messages = 0, body["messages"]
    for place, message in enumerate(messages):
        calls = [call["id"] for call in message.get("tool_calls") or []]
        behind = itertools.takewhile(lambda m: m["role"] == "tool", messages[place + 1 :])
        if message["role"] != "tool":
            pairs += in_pairs(calls, [m["tool_call_id"] for m in behind])
    return pairs


def responses_pairs(body):
    items = body["input"]
    kinds = [item.get("type", "message") for item in items]
    for kind, following in itertools.pairwise(kinds + ["end"]):
        assert kind != "reasoning" or following in ("message", "function_call", "reasoning"), kinds
    groups = itertools.groupby(items, lambda item: item.get("type", "message"))
    groups = [(kind, [item.get("call_id") for item in group]) for kind, group in groups]
    pairs = 0
    for (kind, ids), (following, their_ids) in itertools.pairwise(groups + [("end", [])]):
        if kind == "function_call":
            pairs += in_pairs(ids, their_ids if following == "function_call_output" else [])
    assert sum(kind == "function_call_output" for kind in kinds) == pairs, kinds
    return pairs


def message_pairs(body):
    """Anthropic's messages, and Converse's."""
    pairs, messages = 0, body["messages"]
    assert [m["role"] for m in messages] == (["user", "assistant"] * len(messages))[: len(messages)]
    calls = []
    for message in messages:
        assert message["content"], messages
        results = [r for block in message["content"] if (r := result_of(block))]
        leading = [r for block in message["content"][: len(results)] if (r := result_of(block))]
        pairs += in_pairs(calls, leading)
        assert leading == results, "results come first"
        calls = [c for block in message["content"] if (c := call_of(block))]
    assert not calls
    return pairs


def call_of(block):
    return block.get("id") if block.get("type") == "tool_use" else block.get("toolUse", {}).get("toolUseId")


def result_of(block):
    found = block.get("tool_use_id") if block.get("type") == "tool_result" else None
    return found or block.get("toolResult", {}).get("toolUseId")


PAIRS = {"openai": chat_pairs, "openai-responses": responses_pairs}


class ChangeOfProviderTest(BedrockCase):
    def ask(self, provider, name, session, *answer, message=None, **members):
        model = CLAUDE + name
        self.upstream.script(model, Answer(*answer))
        got = self.server.chat(message, session, model=f"{provider}/{model}", **members)
        return self.assert_answer(got), self.upstream.asked(model)[-1].body

    def assert_pairs(self, provider, body, count):
        self.assertEqual(PAIRS.get(provider, message_pairs)(body), count)

    def test_from_each_to_each(self):
        for first, second in itertools.product(PROVIDERS, PROVIDERS):
            with self.subTest(f"{first} {second}"):
                name = session = f"{first}-{second}"
                content = [{"type": "text", "text": "What is this?"}, IMAGE]
                thinking, call = Thinking("secret thought"), Tool("look", ('{"at"', ': "it"}'), id="call_1")
                other = Tool("look", (), id="call_2")
                answer, _ = self.ask(
                    first, name + "-1", session, thinking, "Let me see.", call, other, content=content, tools=[TOOL]
                )
                self.assertEqual(answer["stop_reason"], "tool_use")
                ids = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
                self.assertEqual(len(ids), 2)
                results = [
                    {"type": "tool_result", "tool_use_id": ids[0], "content": [{"type": "text", "text": "a map"}, IMAGE]},
                    {"type": "tool_result", "tool_use_id": ids[1], "content": "it broke", "is_error": True},
                ]
                _, body = self.ask(second, name + "-2", session, "It is a map.", content=results, tools=[TOOL])
                self.assert_pairs(second, body, 2)
                said = str(body)
                for part in ("What is this?", "Let me see.", "a map", "it broke", "'look'"):
                    self.assertIn(part, said)
                self.assertEqual(said.count(PIXEL), 2)
                if first != second:
                    self.assertNotIn("secret thought", said)
                # Back, without tools, and with a message of text alone.
                _, body = self.ask(first, name + "-3", session, "Yes.", message="Sure?")
                self.assert_pairs(first, body, 2)
                self.assertIn("It is a map.", str(body))

    def test_an_answer_that_was_cut_off_in_a_call(self):
        for first, second in itertools.product(PROVIDERS, PROVIDERS):
            with self.subTest(f"{first} {second}"):
                session = f"cut-{first}-{second}"
                model = CLAUDE + session
                self.upstream.script(model, Answer("Let me see.", Tool("look", ('{"at": "i',), id="call_1"), CUT))
                stream = self.server.stream("x", session, model=f"{first}/{model}", tools=[TOOL])
                self.assertEqual(stream.finish().name, "turn.failed")
                _, body = self.ask(second, session + "-2", session, "Better now.", message="And now?", tools=[TOOL])
                PAIRS.get(second, message_pairs)(body)


if __name__ == "__main__":
    unittest.main()
