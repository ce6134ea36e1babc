"""The faulty provider itself: each fault is what the catalogue says, in each of the wires."""

import json
import time
import unittest

from all_dialects import DIALECTS
from asked import Asked
from client import Closed, Connection
from faulty_provider import PREFILL_REFUSED, REFUSAL, TOKENS, FaultyProvider, whole_text
from prompt_cache import PromptCache
from server import wait_for

WIRES = ("openai", "anthropic", "bedrock", "bedrock-invoke", "openai-responses")
SCALE = 0.005
NAMES = iter(range(10**6))


class FaultyProviderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = FaultyProvider(scale=SCALE)
        cls.addClassCleanup(cls.provider.close)

    def _formatMessage(self, message, standard):
        return super()._formatMessage(message, f"{standard} ({getattr(self, 'asked', '')})")

    def ask(self, wire, model, *texts, **more):
        name = model if "." in model else f"{model}.{next(NAMES)}"
        self.model = name
        return Asked(self.provider, wire, name, texts or ("Tell me.",), **more)

    def each(self, model, *texts, streams=(True, False), **more):
        for wire in WIRES:
            for stream in streams:
                self.asked = f"{model} as {wire}, stream: {stream}"
                yield wire, self.ask(wire, model, *texts, stream=stream, **more)

    def test_a_good_model_answers_with_the_whole_text_and_its_usage(self):
        for wire, asked in self.each("good"):
            self.assertEqual((asked.status, asked.text), (200, whole_text()))
            self.assertIsNotNone(asked.reason)
            output = asked.usage[{"openai": "completion_tokens", "bedrock": "outputTokens"}.get(wire, "output_tokens")]
            self.assertEqual(output, 60)
            self.assertEqual(self.provider.asked(self.model)[0].billed.output, 60)

    def test_a_beginning_of_the_answer_is_gone_on_from(self):
        for beginning in (40, 51):
            for texts in (("Tell me.", whole_text(beginning)), ("Tell me.", whole_text(beginning), "Please go on.")):
                for _, asked in self.each("good", *texts):
                    self.assertEqual(texts[1] + asked.text, whole_text())

    def test_f01_tells_when_and_is_well_then(self):
        for wire, asked in self.each("f01"):
            self.assertEqual(asked.status, 429)
            wait = int(asked.head.headers["retry-after-ms"]) / 1000
            self.assertLessEqual(wait, 2 * SCALE + 0.001)
            again = self.ask(wire, self.model)
            if again.began - asked.ended < wait / 2:
                self.assertEqual(again.status, 429)
            time.sleep(wait)
            self.assertEqual(self.ask(wire, self.model).status, 200)

    def test_statuses(self):
        for model, statuses in (
            ("f02", [429] * 3),
            ("f03", [500, 200, 200]),
            ("f04", [503] * 3),
            ("s404", [404, 404, 404]),
            ("s529-once", [529, 200, 200]),
            ("s503-twice", [503, 503, 200]),
            ("f12", [400] * 3),
        ):
            for wire, asked in self.each(model):
                name = self.model
                found = [asked.status, *(self.ask(wire, name).status for _ in statuses[1:])]
                self.assertEqual(found, statuses, model)
                self.assertEqual([r.billed is None for r in self.provider.asked(name)], [s != 200 for s in statuses])

    def test_each_conversation_may_have_its_own_count(self):
        for wire, asked in self.each("s503-once-each", "one"):
            statuses = [self.ask(wire, self.model, text).status for text in ("one", "two", "two")]
            self.assertEqual([asked.status, *statuses], [503, 200, 503, 200])

    def test_f05_is_a_reset_before_the_head(self):
        for _, asked in self.each("f05"):
            self.assertIsInstance(asked.broken, ConnectionResetError)
            self.assertFalse(hasattr(asked, "head"))

    def test_f06_and_f07_are_silent_for_their_time(self):
        for _, asked in self.each("f06"):
            self.assertGreaterEqual(asked.head_at - asked.began, 120 * SCALE)
        for _, asked in self.each("f07", streams=(True,)):
            self.assertLess(asked.head_at - asked.began, 10 * SCALE)
            request = self.provider.asked(self.model)[0]
            self.assertGreaterEqual(request.sent[0][0] - request.at, 20 * SCALE)
            self.assertEqual(asked.text, whole_text())

    def test_f08_and_f16_are_cut_after_40_tokens(self):
        for model in ("f08", "f16"):
            for _, asked in self.each(model, streams=(True,)):
                self.assertIsInstance(asked.broken, Closed)
                self.assertEqual(asked.text, whole_text(40))
                self.assertEqual(self.provider.asked(self.model)[0].billed.output, 40)
        for _, asked in self.each("f08", streams=(False,)):
            self.assertIsInstance(asked.broken, Closed)

    def test_a_cut_can_stand_anywhere_and_after_white_space(self):
        for _, asked in self.each("f08-c51-ws", streams=(True,)):
            self.assertEqual(asked.text, whole_text(51) + "\n\n")

    def test_f09_stalls_in_mid_stream(self):
        for _, asked in self.each("f09", streams=(True,)):
            self.assertEqual(asked.text, whole_text())
            times = [at for at, _ in self.provider.asked(self.model)[0].sent]
            self.assertGreaterEqual(times[40] - times[39], 30 * SCALE)

    def test_f10_is_malformed(self):
        for wire, asked in self.each("f10"):
            self.assertIsInstance(asked.broken, ValueError)

    def test_f11_has_no_terminal_event(self):
        for wire, asked in self.each("f11", streams=(True,)):
            self.assertEqual((asked.text, asked.done, asked.broken), (whole_text(), False, None))
            self.assertEqual(asked.reason is None, wire == "openai-responses")
            self.assertTrue(wire != "bedrock" or asked.usage is None)

    def test_f12_may_depend_on_the_size(self):
        long = "word " * 300
        for wire, asked in self.each("f12-t250", long):
            self.assertEqual(asked.status, 400)
            self.assertEqual(self.ask(wire, self.model, "short").status, 200)

    def test_f13_is_an_answer_with_its_own_reason(self):
        reasons = dict(zip(WIRES, ("content_filter", "refusal", "content_filtered", "refusal", "content_filter")))
        for wire, asked in self.each("f13"):
            self.assertEqual((asked.status, asked.reason), (200, reasons[wire]))
            self.assertEqual(asked.text, "".join(REFUSAL))

    def test_f14_refuses_a_prefill_but_goes_on_when_told_to(self):
        for wire, asked in self.each("f14", "Tell me.", whole_text(40)):
            self.assertEqual(asked.status, 400)
            self.assertIn(PREFILL_REFUSED, json.dumps(asked.error))
            again = self.ask(wire, self.model, "Tell me.", whole_text(40), "Go on.")
            self.assertEqual(whole_text(40) + again.text, whole_text())
        for _, asked in self.each("good-nocontinue", "Tell me.", whole_text(40), "Go on."):
            self.assertEqual(asked.status, 400)

    def test_f15_fails_and_is_back(self):
        for wire in WIRES:
            model, seen, began = f"f15.{wire}", [], time.monotonic()
            while time.monotonic() < began + 70 * SCALE:
                asked = self.ask(wire, model)
                seen.append((asked.began - began, asked.broken is None and asked.status == 200))
            self.assertTrue({ok for _, ok in seen} == {True, False})
            self.assertTrue(all(ok for at, ok in seen if at > 61 * SCALE))

    def test_an_error_in_the_stream(self):
        for _, asked in self.each("inband-c3", streams=(True,)):
            self.assertEqual((asked.status, asked.text), (200, whole_text(3)))
            self.assertIsNotNone(asked.error)

    def test_retry_after_as_it_is_named(self):
        for _, asked in self.each("s429-a30"):
            self.assertEqual(asked.head.headers["retry-after"], "30")
        for _, asked in self.each("s429-adate3"):
            self.assertTrue(asked.head.headers["retry-after"].endswith("GMT"))

    def test_length_gap_delay_and_the_longest_answer(self):
        for _, asked in self.each("good-n100"):
            self.assertEqual(asked.text, "".join(TOKENS[:100]))
        for _, asked in self.each("good-d50"):
            self.assertGreaterEqual(asked.ended - asked.began, 0.05)
        for wire, asked in self.each("good"):
            limit = {"inferenceConfig": {"maxTokens": 7}} if wire == "bedrock" else {"max_tokens": 7}
            self.assertEqual(self.ask(wire, self.model, **limit).text, whole_text(7))

    def test_what_a_strict_provider_refuses(self):
        for wire, texts in (
            ("anthropic", ("Tell me.", "A beginning ")),
            ("bedrock", ("Tell me.", "A beginning ")),
            ("anthropic", ("Tell me.", " ", "Go on.")),
            ("bedrock", ("Tell me.", "", "Go on.")),
        ):
            self.assertEqual(self.ask(wire, "good", *texts).status, 400, (wire, texts))

    def test_who_leaves_is_noticed_with_the_time(self):
        with Connection(self.provider.url) as connection:
            body = {"model": "f09.left", "stream": True, "messages": [{"role": "user", "content": "x"}]}
            connection.send_request("POST", "/v1/chat/completions", body)
            connection.read_head()
            wait_for(lambda: self.provider.asked("f09.left") and len(self.provider.asked("f09.left")[0].sent) == 40)
        left, request = time.monotonic(), self.provider.asked("f09.left")[0]
        wait_for(lambda: request.peer_gone)
        self.assertLess(abs(request.gone_at - left), 1)
        self.assertEqual(request.text, whole_text(40))

    def test_every_dialect_has_its_name(self):
        self.assertEqual(tuple(d.name for d in DIALECTS), WIRES)


class PromptCacheTest(unittest.TestCase):
    long, mark = "word " * 1100, {"cache_control": {"type": "ephemeral"}}

    def bill(self, cache, wire, body):
        usage = cache.bill(wire, "m", body)
        return usage.input, usage.cache_read, usage.cache_write

    def anthropic(self, *texts, marked=()):
        blocks = [{"type": "text", "text": t} | (self.mark if i in marked else {}) for i, t in enumerate(texts)]
        roles = ("user", "assistant")
        return {"messages": [{"role": roles[i % 2], "content": [b]} for i, b in enumerate(blocks)]}

    def test_what_ends_at_a_breakpoint_is_written_and_read_again(self):
        cache = PromptCache()
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, marked=[0])), (0, 0, 1101))
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, "a b", "c", marked=[0])), (5, 1101, 0))
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, "a b", "c", marked=[2])), (0, 1101, 5))
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, "a b", "c")), (1106, 0, 0))
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic("x" + self.long, marked=[0])), (0, 0, 1101))

    def test_short_prefixes_are_not_written(self):
        self.assertEqual(self.bill(PromptCache(), "anthropic", self.anthropic("a b", marked=[0])), (3, 0, 0))

    def test_only_twenty_blocks_are_looked_at_before_a_breakpoint(self):
        cache, many = PromptCache(), ["a"] * 24
        self.bill(cache, "anthropic", self.anthropic(self.long, marked=[0]))
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, *many[:20], marked=[20]))[1], 1101)
        self.assertEqual(self.bill(cache, "anthropic", self.anthropic(self.long, *["b"] * 22, marked=[22]))[1], 0)

    def test_cache_points_of_bedrock(self):
        cache = PromptCache()
        body = {
            "system": [{"text": self.long}, {"cachePoint": {"type": "default"}}],
            "messages": [{"role": "user", "content": [{"text": "a b"}]}],
        }
        self.assertEqual(self.bill(cache, "bedrock", body), (3, 0, 1101))
        self.assertEqual(self.bill(cache, "bedrock", body), (3, 1101, 0))

    def test_openai_shares_prefixes_of_one_key_in_steps_of_128(self):
        cache = PromptCache()

        def body(text, key):
            return {"prompt_cache_key": key, "messages": [{"role": "user", "content": text}]}

        self.assertEqual(self.bill(cache, "openai", body(self.long, "k")), (1101, 0, 0))
        self.assertEqual(self.bill(cache, "openai", body(self.long + "more", "k")), (78, 1024, 0))
        self.assertEqual(self.bill(cache, "openai", body(self.long, "other")), (1101, 0, 0))
        self.assertEqual(self.bill(cache, "openai", body(self.long, None)), (1101, 0, 0))
        self.assertEqual(self.bill(cache, "openai", body("x " + self.long, "k")), (1102, 0, 0))


if __name__ == "__main__":
    unittest.main()
