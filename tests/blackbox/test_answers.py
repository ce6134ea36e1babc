"""What becomes of a provider's answer: text, usage, stop reasons, thinking, tools, refusals; odd but right ones."""

import unittest

from answers import NEXT_BLOCK, Answer, Pause, Raw, Refusal, Thinking, Tool, Usage
from harness import ServerCase

PROVIDERS = ("openai", "anthropic")
STOP_REASONS = [
    ("openai", "stop", "end_turn"),
    ("openai", "length", "max_tokens"),
    ("openai", "tool_calls", "tool_use"),
    ("openai", "function_call", "tool_use"),
    ("openai", "content_filter", "refusal"),
    ("anthropic", "end_turn", "end_turn"),
    ("anthropic", "max_tokens", "max_tokens"),
    ("anthropic", "stop_sequence", "stop_sequence"),
    ("anthropic", "tool_use", "tool_use"),
    ("anthropic", "pause_turn", "pause_turn"),
    ("anthropic", "refusal", "refusal"),
    ("anthropic", "model_context_window_exceeded", "context_exceeded"),
]
UNKNOWN_EVENT = Raw(b'event: surprise\ndata: {"type":"surprise","x":[1]}\n\n')
PING = Raw(b'event: ping\ndata: {"type": "ping"}\n\n')


class AnswersTest(ServerCase):
    def ways(self, answer, provider, text=None):
        """The same answer asked for whole and as a stream, from an upstream that streams and one that does not."""
        for shape in ("sse", "json"):
            answer.shape = shape
            self.upstream.script("scripted", answer)
            with self.subTest(provider=provider, upstream=shape):
                yield self.assert_answer(self.server.chat("x", model=provider + "/scripted"), text)
                stream = self.server.stream("x", model=provider + "/scripted")
                terminal = stream.finish()
                self.assertEqual(terminal.name, "turn.completed", terminal.data)
                self.assertEqual(stream.text, terminal.json["message"])
                if text is not None:
                    self.assertEqual(stream.text, text)
                yield terminal.json

    def test_stop_reasons(self):
        for provider, theirs, ours in STOP_REASONS:
            with self.subTest(theirs):
                for answer in self.ways(Answer("text", finish=theirs), provider, "text"):
                    self.assertEqual(answer["stop_reason"], ours)

    def test_usage_comes_in_disjoint_classes(self):
        usage = Usage(input=100, cache_read=30, cache_write=20, output=7, reasoning=5)
        for provider in PROVIDERS:
            for answer in self.ways(Answer("a", "b", usage=usage), provider, "ab"):
                self.assertEqual(
                    answer["usage"],
                    {
                        "input_tokens": 100,
                        "cache_read_tokens": 30,
                        "cache_write_tokens": 20,
                        "output_tokens": 7,
                        "reasoning_tokens": 5,
                    },
                )

    def test_usage_that_was_not_reported_is_estimated_and_says_so(self):
        for provider in PROVIDERS:
            for answer in self.ways(Answer("some words of an answer " * 4, usage=None), provider):
                self.assertIs(answer["usage"]["estimated"], True)
                self.assertGreater(answer["usage"]["input_tokens"], 0)
                self.assertGreater(answer["usage"]["output_tokens"], 5)

    def test_text_blocks_are_joined_with_nothing_between(self):
        for answer in self.ways(
            Answer("One. ", NEXT_BLOCK, "Two.", NEXT_BLOCK, "Three."), "anthropic", "One. Two.Three."
        ):
            self.assertEqual(answer["stop_reason"], "end_turn")

    def test_thinking_is_not_in_the_message_but_in_its_own_events(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                for _ in self.ways(Answer(Thinking("let me "), Thinking("see"), "42"), provider, "42"):
                    pass
                self.upstream.script("thinking", Answer(Thinking("let me "), Thinking("see"), "42"))
                stream = self.server.stream("x", model=provider + "/thinking")
                stream.finish()
                self.assertEqual("".join(e.json["text"] for e in stream.named("thinking.delta")), "let me see")

    def test_tool_calls_make_the_stop_reason_whatever_the_provider_said(self):
        for provider, said in (("openai", "stop"), ("anthropic", "end_turn")):
            answer = Answer("Looking. ", Tool("weather", ('{"city":', '"Oslo"}')), finish=said)
            for got in self.ways(answer, provider, "Looking. "):
                self.assertEqual(got["stop_reason"], "tool_use")

    def test_tool_calls_have_their_own_events(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                self.upstream.script("tool", Answer(Tool("weather", ('{"city":', '"Oslo"}'), "call_7")))
                stream = self.server.stream("x", model=provider + "/tool")
                self.assertEqual(stream.finish().json["message"], "")
                told = "".join(e.data for e in stream.named("tool_call.delta"))
                self.assertIn("weather", told)
                self.assertIn("call_7", told)
                self.assertIn("Oslo", told)

    def test_a_refusals_text_is_the_message_and_its_stop_reason_refusal(self):
        for got in self.ways(Answer(Refusal("I can"), Refusal("not."), finish="stop"), "openai", "I cannot."):
            self.assertEqual(got["stop_reason"], "refusal")
        for got in self.ways(Answer(finish="refusal"), "anthropic", ""):
            self.assertEqual(got["stop_reason"], "refusal")

    def test_unknown_events_pings_and_comments_are_skipped(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                extra = [Raw(b": comment\n\n"), Raw(b"retry: 10\n\n")] + (
                    [UNKNOWN_EVENT, PING] if provider == "anthropic" else []
                )
                self.upstream.script("odd", Answer("a", *extra, "b"))
                self.assert_answer(self.server.chat("x", model=provider + "/odd"), "ab")

    def test_every_form_of_line_end_and_split_data_is_read(self):
        chunk = b'{"choices":[{"index":0,\r\ndata: "delta":{"content":"b"},"finish_reason":null}]}'
        split = Raw(b"data:" + chunk + b"\r\n\r\n")
        old = Raw(b'data: {"choices":[{"index":0,"delta":{"content":"c"}}]}\r\r')
        self.upstream.script("lines", Answer("a", split, old, "d"))
        self.assert_answer(self.server.chat("x", model="openai/lines"), "abcd")

    def test_a_character_cut_in_two_by_the_network_is_whole_again(self):
        data = 'data: {"choices":[{"index":0,"delta":{"content":"漢字😀"}}]}\n\n'.encode()
        pieces = [part for i in range(len(data)) for part in (Raw(data[i : i + 1]),)]
        self.upstream.script("bytes", Answer(*pieces))
        self.assert_answer(self.server.chat("x", model="openai/bytes"), "漢字😀")

    def test_gzip_is_unpacked(self):
        for provider in PROVIDERS:
            for got in self.ways(Answer("packed ", "text", gzip=True), provider, "packed text"):
                self.assertEqual(got["state"], "completed")

    def test_done_may_be_missing_where_a_finish_reason_came(self):
        self.upstream.script("undone", Answer("whole", done=False))
        self.assert_answer(self.server.chat("x", model="openai/undone"), "whole")

    def test_a_stream_that_ends_by_closing_is_whole_when_its_terminal_event_came(self):
        for provider in PROVIDERS:
            with self.subTest(provider):
                self.upstream.script("closing", Answer("whole", framing="close"))
                self.assert_answer(self.server.chat("x", model=provider + "/closing"), "whole")

    def test_the_reader_goes_by_the_content_type_with_its_parameters(self):
        self.upstream.script("typed", Answer("a", content_type="text/event-stream;charset=UTF-8"))
        self.assert_answer(self.server.chat("x", model="openai/typed"), "a")
        self.upstream.script("typed", Answer("b", shape="json", content_type="application/json; charset=utf-8"))
        self.assert_answer(self.server.chat("x", model="openai/typed"), "b")

    def test_a_slow_answer_is_whole(self):
        self.upstream.script("slow", Answer("a", Pause(0.3), "b", Pause(0.3), "c", before=[Pause(0.3)]))
        self.assert_answer(self.server.chat("x", model="anthropic/slow"), "abc")

    def test_a_large_answer_is_whole(self):
        deltas = [f"{i} " + "x" * 200 for i in range(5000)]
        for provider in PROVIDERS:
            with self.subTest(provider):
                self.upstream.script("large", Answer(*deltas))
                self.assert_answer(
                    self.server.chat("x", "large-" + provider, model=provider + "/large"), "".join(deltas)
                )
                self.assertEqual(self.server.history("large-" + provider)[1]["content"], "".join(deltas))


if __name__ == "__main__":
    unittest.main()
