"""Every request that we send to OpenAI's APIs is one of those that OpenAI's own description of them allows."""

import json
import unittest

from openapi_check import Checker
from our_requests import DATA, missing, requests

SPEC = DATA / "specs/openai-openapi.json"
SCHEMAS = {"chat": "CreateChatCompletionRequest", "responses": "CreateResponse"}


# Taken by the API although its description wants more: an answer's item without its id, a tool without `strict`.
LAX = {
    "openai-responses-multiturn-gzip",
    "openai-responses-multiturn2-gzip",
    "openai-responses-parallel-tools-gzip",
}


class OpenAiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not SPEC.exists():
            missing(f"no description of OpenAI's API ({SPEC}); see TERTULIA_TEST_DATA")
        cls.checker = Checker(json.loads(SPEC.read_text()))

    def problems(self, api, body):
        return self.checker.problems(body, self.checker.schema(SCHEMAS[api]))

    def test_our_requests(self):
        for api in SCHEMAS:
            for case, request in requests("openai-" + api):
                with self.subTest(api + " " + case["name"] + " " + request["target"]):
                    self.assertEqual(self.problems(api, request["body"]), [])

    def test_what_others_sent_passes_too(self):
        seen = 0
        for path in sorted((DATA / "recordings").glob("*.json")):
            recording = json.loads(path.read_text())
            body = recording["request"]["body"]
            body = json.loads(body) if isinstance(body, str) and body.startswith("{") else body
            if recording["provider"] != "openai" or recording["api"] not in SCHEMAS or not body:
                continue
            if path.stem in LAX:
                continue
            seen += 1
            with self.subTest(path.stem):
                self.assertEqual(self.problems(recording["api"], body), [])
        self.assertGreater(seen, 40)

    def test_what_is_wrong_is_found(self):
        chat = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        for api, wrong in (
            ("chat", {"model": "m"}),
            ("chat", chat | {"max_output_tokens": 5}),
            ("chat", chat | {"tool_choice": "any"}),
            ("chat", chat | {"tools": [{"type": "function", "name": "f"}]}),
            ("chat", chat | {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]}),
            ("chat", chat | {"messages": [{"role": "tool", "content": "x"}]}),
            ("responses", {"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
            ("responses", {"model": "m", "input": "x", "max_output_tokens": 15}),
            ("responses", {"model": "m", "input": "x", "include": ["reasoning"]}),
            ("responses", {"model": "m", "input": "x", "stop": ["x"]}),
            ("responses", {"model": "m", "input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}),
            ("responses", {"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f"}]}),
        ):
            with self.subTest(api + json.dumps(wrong)):
                self.assertNotEqual(self.problems(api, wrong), [])


if __name__ == "__main__":
    unittest.main()
