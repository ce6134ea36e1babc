"""What the model is shown: whole turns that fit its window, one more try with less, and what is too large."""

import re
import unittest

from answers import CUT, Answer
from harness import ServerCase

TOO_LONG = {
    "openai": {
        "error": {
            "message": "This model's maximum context length is 8192 tokens. Your messages resulted in 9000.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 208310 tokens > 200000 maximum"},
    },
}
LLAMA_TOO_LONG = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5000,
        "n_ctx": 4096,
    }
}
PARAGRAPH = "The quick brown fox jumps over the lazy dog near the river bank. " * 30  # about 400 tokens


class ContextTest(ServerCase):
    def fill(self, session, model, turns):
        for i in range(turns):
            self.assert_answer(self.server.chat(f"question {i} {PARAGRAPH}", session, model=model))

    def assert_whole_turns(self, sent, last):
        roles = [role for role, _ in sent]
        self.assertEqual(roles, ["user", "assistant"] * (len(sent) // 2) + ["user"])
        self.assertTrue(sent[-1][1].startswith(last))
        for (_, question), (_, answer) in zip(sent[::2], sent[1::2]):
            self.assertIn(re.match(r"question \d+ ", question)[0], answer)

    def test_history_beyond_a_known_window_goes_in_whole_turns_and_in_one_large_step(self):
        self.upstream.script("gpt-4")  # 8,192 tokens by the shipped table
        sizes, answers = [], []
        for i in range(24):
            answers.append(
                self.assert_answer(
                    self.server.chat(
                        f"question {i} {PARAGRAPH}", "long", model="openai/gpt-4", system="Always here.", max_tokens=500
                    )
                )
            )
            request = self.upstream.asked("gpt-4")[-1]
            self.assert_whole_turns(request.messages, f"question {i} ")
            self.assertEqual(request.system, "Always here.")
            sizes.append(len(request.messages))
            context = answers[-1]["context"]
            self.assertEqual(context["messages_sent"], len(request.messages))
            self.assertEqual(context["messages_left_out"], 2 * i + 1 - len(request.messages))
            self.assertLessEqual(context["estimated_tokens"], 8192 - 500)
        drops = [(a, b) for a, b in zip(sizes, sizes[1:]) if b <= a]
        self.assertTrue(1 <= len(drops) <= 8, sizes)  # not one turn at a time
        self.assertLess(drops[0][1], drops[0][0] * 0.85)
        firsts = [r.messages[0][1][:20] for r in self.upstream.asked("gpt-4")]
        self.assertLess(len(set(firsts)), 10, "the prompt's beginning must stay the same for several turns")

    def test_a_message_too_large_for_a_known_window_is_refused_with_both_numbers(self):
        body = self.assert_error(self.server.chat(PARAGRAPH * 40, model="openai/gpt-4"), 413, "too_large")
        numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", body["message"])]
        self.assertTrue(len(numbers) >= 2 and any(n > 8192 for n in numbers), body)

    def test_for_an_unknown_window_the_provider_judges(self):
        self.assert_answer(self.server.chat(PARAGRAPH * 400, model="openai/of-unknown-size"))

    def test_context_too_long_is_answered_by_one_more_try_with_less(self):
        for provider in ("openai", "anthropic"):
            for stream in (False, True):
                with self.subTest(provider=provider, stream=stream):
                    session, model = f"less-{provider}-{stream}", f"{provider}/less-{provider}-{stream}"
                    self.fill(session, model, 8)
                    name = model.split("/")[1]
                    self.upstream.script(name, Answer(status=400, body=TOO_LONG[provider]), Answer("fits now"))
                    if stream:
                        answer = self.server.stream("question 8 x", session, model=model).finish().json
                    else:
                        answer = self.assert_answer(self.server.chat("question 8 x", session, model=model))
                    first, second = self.upstream.asked(name)[-2:]
                    self.assertEqual((answer["message"], len(first.messages)), ("fits now", 17))
                    self.assertLess(len(second.messages), 15)
                    self.assert_whole_turns(second.messages, "question 8 ")
                    self.assertEqual(answer["context"]["messages_sent"], len(second.messages))

    def test_the_next_turn_does_not_run_into_a_window_that_was_told(self):
        self.fill("told", "openai/told", 8)
        refusal = {"error": TOO_LONG["openai"]["error"] | {"message": "This model's maximum context length is 2000 tokens."}}
        self.upstream.script("told", Answer(status=400, body=refusal), Answer("fits now"), Answer("and again"))
        self.assert_answer(self.server.chat("question 8 x", "told", model="openai/told", max_tokens=500), "fits now")
        calls = len(self.upstream.asked("told"))
        answer = self.server.chat("question 9 x", "told", model="openai/told", max_tokens=500)
        self.assert_answer(answer, "and again")
        self.assertEqual(len(self.upstream.asked("told")) - calls, 1)
        self.assertLess(len(self.upstream.asked("told")[-1].messages), 17)

    def test_no_session_runs_into_a_size_that_was_refused_without_a_number(self):
        self.fill("untold", "openai/untold", 4)
        self.fill("longer", "openai/untold", 6)
        refusal = {"error": TOO_LONG["openai"]["error"] | {"message": "Your input exceeds the context window of this model."}}
        self.upstream.script("untold", Answer(status=400, body=refusal), Answer("fits now"))
        self.assert_answer(self.server.chat("question 4 x", "untold", model="openai/untold"), "fits now")
        calls = len(self.upstream.asked("untold"))
        answer = self.assert_answer(self.server.chat("question 6 x", "longer", model="openai/untold"), "fits now")
        self.assertEqual(len(self.upstream.asked("untold")) - calls, 1)
        self.assertLess(answer["context"]["messages_sent"], 9)
        # A message that is alone larger than that is the provider's to judge.
        self.assert_answer(self.server.chat(PARAGRAPH * 8, "large", model="openai/untold"), "fits now")

    def test_llama_servers_way_to_say_it_is_known(self):
        self.fill("llama", "openai/llama", 4)
        self.upstream.script("llama", Answer(status=400, body=LLAMA_TOO_LONG), Answer("fits now"))
        self.assert_answer(self.server.chat("question 4 x", "llama", model="openai/llama"), "fits now")

    def test_there_is_one_more_try_and_no_third(self):
        self.fill("third", "openai/third", 8)
        before = len(self.upstream.asked("third"))
        self.upstream.script("third", Answer(status=400, body=TOO_LONG["openai"]))
        response = self.server.chat("question 8 x", "third", model="openai/third")
        self.assertIn((response.status, response.json["code"]), [(413, "too_large"), (502, "upstream_rejected")])
        self.assertEqual(len(self.upstream.asked("third")) - before, 2)
        self.assertEqual(self.server.history("third")[-1]["state"], "failed")

    def test_other_refusals_are_not_tried_again(self):
        self.fill("other", "openai/other", 2)
        before = len(self.upstream.asked("other"))
        self.upstream.script(
            "other", Answer(status=400, body={"error": {"message": "bad tool schema", "type": "invalid_request_error"}})
        )
        self.assert_error(self.server.chat("question 2 x", "other", model="openai/other"), 502, "upstream_rejected")
        self.assertEqual(len(self.upstream.asked("other")) - before, 1)

    def test_failed_turns_are_in_the_history_but_not_in_the_context(self):
        self.upstream.script("gaps", Answer("one"), Answer(status=500, body={}), Answer("half", CUT), Answer("two"))
        for i in range(4):
            self.server.chat(f"question {i} x", "gaps", model="openai/gaps")
        sent = self.upstream.asked("gaps")[-1].messages
        self.assertEqual([t for r, t in sent if r == "user"], ["question 0 x", "question 2 x", "question 3 x"])
        self.assertEqual(len(self.server.history("gaps")), 8)

    def test_a_turn_does_not_read_more_of_a_long_session_than_the_model_can_see(self):
        self.fill("deep", "openai/deep", 60)
        answer = self.assert_answer(self.server.chat("question 60 x", "deep", model="openai/gpt-4", max_tokens=500))
        self.assertEqual(answer["conversation_length"], 122)
        self.assertEqual(answer["context"]["messages_sent"] + answer["context"]["messages_left_out"], 121)


if __name__ == "__main__":
    unittest.main()
