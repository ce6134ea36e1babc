"""A real small model through the whole path: streamed, with usage, with memory, cut by max_tokens, and over-long.

TERTULIA_TEST_MODEL_FILE (a GGUF file) and TERTULIA_TEST_MODEL_PYTHON (a Python that has the runtime) say where it is;
`./dev test` sets both.
"""

import os
import pathlib
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

from harness import ROOT, ServerCase, libc, wait_for

FILE, PYTHON = os.environ.get("TERTULIA_TEST_MODEL_FILE"), os.environ.get("TERTULIA_TEST_MODEL_PYTHON")
NAME, CONTEXT = "small-real-model", 1024


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def healthy(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


@unittest.skipUnless(
    FILE and PYTHON, "no real model: TERTULIA_TEST_MODEL_FILE and TERTULIA_TEST_MODEL_PYTHON are not set"
)
class LocalModelTest(ServerCase):
    @classmethod
    def start(cls, *arguments, **options):
        port = free_port()
        script = pathlib.Path(ROOT / "tools/local_model/serve.py")
        cls.model = subprocess.Popen(
            [PYTHON, script, "--model", FILE, "--name", NAME, "--port", str(port), "--context", str(CONTEXT)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: libc.prctl(1, signal.SIGKILL),
        )
        cls.addClassCleanup(cls.model.wait)
        cls.addClassCleanup(cls.model.kill)
        base = f"http://127.0.0.1:{port}"
        cls.env = {
            "TERTULIA_LOCAL_MODEL_BASE_URL": base + "/v1",
            "TERTULIA_LOCAL_MODEL_NAME": NAME,
            "TERTULIA_LOCAL_MODEL_HEALTH_URL": base + "/health",
            "OPENAI_API_KEY": None,
            "ANTHROPIC_API_KEY": None,
        }
        server = super().start(*arguments, model=None, **options)  # the default: there is no key
        wait_for(lambda: server.get("/readyz").status == 200, "the model to be loaded", 120)
        assert healthy(base + "/health"), "ready before the model was"
        return server

    def test_whole_and_streamed_with_usage_and_memory(self):
        first = self.assert_answer(self.server.chat("Say hello.", "real", timeout=240, max_tokens=24, temperature=0))
        self.assertEqual(first["model"], "local/" + NAME)
        self.assertTrue(first["message"].strip())
        stream = self.server.stream("And now tell me a long story about a river.", "real", timeout=240, max_tokens=24, temperature=0)
        second = stream.finish().json
        self.assertEqual(stream.events[-1].name, "turn.completed", second)
        self.assertGreater(len(stream.named("text.delta")), 3, "it did not stream")
        self.assertEqual((stream.text, second["conversation_length"]), (second["message"], 4))
        for answer in (first, second):
            self.assertFalse(answer["usage"].get("estimated"), answer["usage"])
            self.assertGreater(answer["usage"]["output_tokens"], 0)
        inputs = [a["usage"]["input_tokens"] + a["usage"]["cache_read_tokens"] for a in (first, second)]
        self.assertGreater(inputs[1], inputs[0] + 10, "the second prompt holds the first turn")
        self.assertEqual(
            [m["content"] for m in self.server.history("real")],
            ["Say hello.", first["message"], "And now tell me a long story about a river.", second["message"]],
        )

    def test_cut_by_max_tokens(self):
        answer = self.assert_answer(
            self.server.chat("Tell me a long story about a river.", timeout=240, max_tokens=3, temperature=0)
        )
        self.assertEqual((answer["stop_reason"], answer["usage"]["output_tokens"]), ("max_tokens", 3))

    def test_a_session_beyond_the_window_goes_on_with_less(self):
        answers = []
        for i in range(6):
            message = f"Note number {i}: " + "the river runs past the old mill and the green hill. " * 15
            answers.append(self.assert_answer(self.server.chat(message, "long", timeout=240, max_tokens=8)))
        self.assertGreater(answers[-1]["context"]["messages_left_out"], 0)
        for answer in answers:
            used = answer["usage"]
            self.assertLessEqual(used["input_tokens"] + used["cache_read_tokens"] + used["output_tokens"], CONTEXT)

    def test_a_message_beyond_the_window_is_refused_and_the_session_goes_on(self):
        response = self.server.chat("The river runs past the old mill. " * 400, "over-long", timeout=240, max_tokens=8)
        self.assert_error(response, 413, "too_large")
        self.assert_answer(self.server.chat("Hello.", "over-long", timeout=240, max_tokens=8))


if __name__ == "__main__":
    unittest.main()
