"""Every request that we send to Anthropic's API is one of those that the types of Anthropic's own SDK allow.

The SDK (PyPI `anthropic`) is in TERTULIA_TEST_PACKAGES, where `./dev test` puts it. Only its types are used: what they need
of the rest is stood in for, so that none of its own dependencies is.
"""

import collections.abc
import importlib
import json
import os
import pathlib
import sys
import types
import typing
import unittest

from captured import bedrock_requests
from our_requests import cases, missing, requests
from typing_check import problems

PACKAGES = pathlib.Path(os.environ.get("TERTULIA_TEST_PACKAGES") or "nowhere")


class NothingInJson:
    """In place of the classes of answers, which a request may hold as objects."""

    def __init__(self, *_, **__):
        pass


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__getattr__ = lambda _: NothingInJson
    sys.modules[name] = module


def message_type():
    """The type of `POST /v1/messages`."""
    sys.path.append(str(PACKAGES))
    for name in ("anthropic", "anthropic.types"):
        stand_in(name, __path__=[str(PACKAGES / name.replace(".", "/"))])
    stand_in("anthropic._types", SequenceNotStr=collections.abc.Sequence, Base64FileInput=str)
    for name in ("anthropic._utils", "anthropic._models", "pydantic"):
        stand_in(name)
    parameters = importlib.import_module("anthropic.types.message_create_params")
    return typing.Union[parameters.MessageCreateParamsNonStreaming, parameters.MessageCreateParamsStreaming]


class AnthropicTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (PACKAGES / "anthropic").is_dir():
            missing("no types of Anthropic's SDK: TERTULIA_TEST_PACKAGES does not hold them")
        cls.type = message_type()

    def test_our_requests(self):
        for case, request in requests("anthropic-messages"):
            body = request["body"]
            if request["target"].endswith("2023-06-01"):
                body.pop("temperature", None)  # the types are those of the newer version, which has none
            with self.subTest(case["name"] + " " + request["target"]):
                self.assertEqual(problems(body, self.type), [])

    def test_our_requests_to_bedrocks_invoke_model(self):
        invoked = [request for request in bedrock_requests() if request.operation.startswith("invoke")]
        self.assertGreaterEqual(len(invoked), 2 * len(cases()))
        for request in invoked:
            body = json.loads(request.body)
            with self.subTest(request.case + " " + request.operation):
                self.assertEqual(body.pop("anthropic_version"), "bedrock-2023-05-31")
                body.pop("temperature", None)
                self.assertNotIn("model", body, "it is in the path")
                self.assertEqual(problems(body | {"model": "m"}, self.type), [])

    def test_what_is_wrong_is_found(self):
        right = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        self.assertEqual(problems(right, self.type), [])
        said = [{"type": "text", "text": "x"}]
        for wrong in (
            {"max_tokens": 5, "messages": right["messages"]},
            right | {"max_completion_tokens": 5},
            right | {"temperature": 1.0},
            right | {"stop_sequences": "END"},
            right | {"tool_choice": {"type": "required"}},
            right | {"tools": [{"name": "f", "parameters": {}}]},
            right | {"messages": [{"role": "tool", "content": said}]},
            right | {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
            right | {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": said}]}]},
            right | {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
        ):
            with self.subTest(json.dumps(wrong)):
                self.assertNotEqual(problems(wrong, self.type), [])


if __name__ == "__main__":
    unittest.main()
