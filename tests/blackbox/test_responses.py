"""OpenAI's Responses API as an upstream."""

import unittest

from answers import CUT, Answer, Raw, Refusal, Thinking, Tool, Usage
from dialects import event
from harness import KEY, ServerCase


def error(code, **members):
    return Raw(event({"type": "error", "code": code, "message": "no", "param": None, "sequence_number": 2} | members))


class ResponsesTest(ServerCase):
    def asked(self, model):
        return self.upstream.asked(model)

    def chat(self, message, session, model, **fields):
        return self.server.chat(message, session, model="openai-responses/" + model, **fields)

    def test_an_answer_comes_streamed_and_whole(self):
        answer = Answer(Thinking("hm"), "Hel", "lo", usage=Usage(5, 3, 0, 2, 4))
        self.upstream.script("gpt-5-plain", answer)
        whole = self.assert_answer(self.chat("Hi", "plain-1", "gpt-5-plain", system="Be kind."), "Hello")
        stream = self.server.stream("Hi", "plain-2", model="openai-responses/gpt-5-plain")
        streamed = stream.finish().json
        self.assertEqual(stream.text, "Hello")
        self.assertEqual("".join(e.json["text"] for e in stream.named("thinking.delta")), "hm")
        for body in (whole, streamed):
            self.assertEqual((body["model"], body["stop_reason"]), ("openai-responses/gpt-5-plain", "end_turn"))
            usage = body["usage"]
            self.assertEqual(
                [usage[n] for n in ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")],
                [5, 3, 2, 4],
            )
        request = self.asked("gpt-5-plain")[0]
        self.assertEqual(request.path, "/v1/responses")
        self.assertEqual(request.headers["authorization"], "Bearer " + KEY)
        self.assertEqual(request.body["input"], [{"role": "user", "content": "Hi"}])
        self.assertEqual(request.body["instructions"], "Be kind.")
        self.assertIs(request.body["store"], False)
        self.assertEqual(request.body["include"], ["reasoning.encrypted_content"])

    def test_reasoning_goes_back_to_its_maker_and_to_nobody_else(self):
        reasoning = {
            "id": "rs_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "opaque",
        }
        self.upstream.script("gpt-5-reasons", Answer(Thinking("hm"), "one"), Answer("two"), Answer("four"))
        self.upstream.script("other", Answer("three"))
        self.assert_answer(self.chat("1", "reasons", "gpt-5-reasons"), "one")
        self.assert_answer(self.chat("2", "reasons", "gpt-5-reasons"), "two")
        history = [
            {"role": "user", "content": "1"},
            reasoning,
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "2"},
        ]
        self.assertEqual(self.asked("gpt-5-reasons")[-1].body["input"], history)
        for provider in ("openai", "anthropic"):
            self.assert_answer(self.server.chat("3", "reasons", model=provider + "/other"), "three")
            request = self.asked("other")[-1]
            self.assertNotIn("opaque", str(request.body))
            self.assertEqual([text for _, text in request.messages][:3], ["1", "one", "2"])
        self.assert_answer(self.chat("4", "reasons", "gpt-5-reasons"), "four")
        self.assertEqual(self.asked("gpt-5-reasons")[-1].body["input"][:4], history)

    def test_reasoning_that_is_refused_is_left_out(self):
        refusal = {"error": {"message": "The encrypted content could not be verified.", "type": "invalid_request_error"}}
        self.upstream.script(
            "gpt-5-moved", Answer(Thinking("hm"), "one"), Answer(status=400, body=refusal), Answer("two")
        )
        self.assert_answer(self.chat("1", "moved", "gpt-5-moved"), "one")
        self.assert_answer(self.chat("2", "moved", "gpt-5-moved"), "two")
        first, refused, taken = self.asked("gpt-5-moved")
        self.assertIn("opaque", str(refused.body))
        self.assertNotIn("opaque", str(taken.body))

    def test_an_error_after_the_beginning_fails_the_turn(self):
        quota = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "no"}
        self.upstream.script("gpt-5-quota", Answer(Raw(event({"type": "error", "error": quota}))))
        stream = self.server.stream("x", model="openai-responses/gpt-5-quota")
        failed = stream.finish()
        self.assertEqual(failed.name, "turn.failed")
        self.assert_error_body(failed.json, "upstream_unavailable", "quota")
        self.upstream.script("gpt-5-invalid", Answer(error("invalid_prompt")))
        self.assert_error(self.chat("x", "invalid", "gpt-5-invalid"), 502, "upstream_rejected")

    def test_a_failure_in_mid_stream_keeps_what_came(self):
        for name, end in (("cut", CUT), ("error", error("server_error"))):
            with self.subTest(name):
                self.upstream.script("gpt-5-" + name, Answer("Hel", end))
                stream = self.server.stream("x", "mid-" + name, model="openai-responses/gpt-5-" + name)
                self.assertEqual(stream.finish().name, "turn.failed")
                messages = self.server.history("mid-" + name)
                self.assertEqual([m["content"] for m in messages], ["x", "Hel"])

    def test_ends_that_are_not_the_ordinary_one(self):
        for answer, reason in (
            (Answer("cut", finish="max_output_tokens"), "max_tokens"),
            (Answer("cut", finish="content_filter"), "refusal"),
            (Answer(Tool("f", ('{"a"', ":1}"))), "tool_use"),
        ):
            with self.subTest(reason):
                self.upstream.script("gpt-5-ends", answer)
                self.assertEqual(self.chat("x", "ends-" + reason, "gpt-5-ends").json["stop_reason"], reason)

    def test_tools_go_round(self):
        tool = {"name": "get_weather", "description": "The weather.", "input_schema": {"type": "object", "properties": {}}}
        self.upstream.script(
            "gpt-5-tools", Answer(Thinking("hm"), Tool("get_weather", ('{"city"', ':"Rome"}'))), Answer("It is sunny.")
        )
        first = self.assert_answer(self.chat("Weather?", "tools", "gpt-5-tools", tools=[tool], tool_choice="any"))
        call = next(block for block in first["content"] if block["type"] == "tool_use")
        self.assertEqual((first["stop_reason"], call["name"], call["input"]), ("tool_use", "get_weather", {"city": "Rome"}))
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}
        second = self.chat(None, "tools", "gpt-5-tools", content=[result], tools=[tool])
        self.assert_answer(second, "It is sunny.")
        asked, told = self.asked("gpt-5-tools")
        self.assertEqual(asked.body["tool_choice"], "required")
        self.assertEqual([tool["name"] for tool in told.body["tools"]], ["get_weather"])
        kinds = [item.get("type", item.get("role")) for item in told.body["input"]]
        self.assertEqual(kinds, ["user", "reasoning", "function_call", "function_call_output"])
        self.assertEqual(told.body["input"][2]["call_id"], told.body["input"][3]["call_id"])
        self.assertEqual(told.body["input"][3]["output"], "sunny")

    def test_parameters_in_its_words(self):
        body = self.chat(
            "x", "parameters", "gpt-4o-parameters", max_tokens=77, temperature=0.5, stop=["END"]
        ).json
        self.assertEqual(body["ignored"], ["stop"])
        sent = self.asked("gpt-4o-parameters")[-1].body
        self.assertEqual((sent["max_output_tokens"], sent["temperature"]), (77, 0.5))
        self.assertNotIn("include", sent, "a model that does not reason refuses it")
        self.assertNotIn("stop", sent)


if __name__ == "__main__":
    unittest.main()
