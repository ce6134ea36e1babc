"""The programs out of their zips behind our Runtime API: turns, whole and streamed, over plain connections and over TLS.

The one for another machine runs under qemu, which is what its time limits are for.
"""

import pathlib
import shutil
import tempfile
import unittest

from bootstraps import KINDS, unpacked
import lambda_events as events
from fake_upstream import FakeUpstream
from harness import KEY
from lambda_case import events_of
from lambda_runtime import FakeRuntime, Function
from tls_front import TlsFront, make_certificate


class Cases:
    @classmethod
    def setUpClass(cls):
        cls.command = unpacked(cls.kind, cls)

    def setUp(self):
        self.upstream = FakeUpstream()
        self.addCleanup(self.upstream.close)

    def start(self, **env):
        runtime = FakeRuntime()
        self.addCleanup(runtime.close)
        function = Function(runtime, {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.upstream.url + "/v1",
            "TERTULIA_MODEL": "openai/default",
            "TERTULIA_STORE": "memory:",
            "AWS_LAMBDA_FUNCTION_NAME": "chat",
            "AWS_REGION": "us-east-1",
        } | env, command=self.command)
        self.addCleanup(function.kill)
        return runtime, function

    def turn(self, runtime, session="s"):
        event = events.http("POST", "/chat", {"message": "hello", "session_id": session})
        return runtime.invoke(event, seconds=60).wait(60)

    def test_a_conversation_and_its_end(self):
        runtime, function = self.start()
        self.assertEqual([self.turn(runtime).json["message"] for _ in range(2)], ["[1] hello", "[3] hello"])
        history = runtime.invoke(events.rest("GET", "/sessions/s/messages")).wait()
        self.assertEqual(len(history.json["messages"]), 4)
        self.assertEqual(function.stop(), 0)
        self.assertEqual(runtime.problems, [])
        self.assertEqual(len(function.metrics), 2)

    def test_a_streamed_answer(self):
        runtime, _ = self.start(TERTULIA_LAMBDA_RESPONSE="streaming")
        event = events.url("POST", "/chat", {"message": "hello"}, headers={"accept": "text/event-stream"})
        answer = runtime.invoke(event, seconds=60).wait(60)
        self.assertEqual(answer.status, 200)
        names = [name for name, _ in events_of(answer.content)]
        self.assertEqual((names[0], names[-1]), ("turn.started", "turn.completed"))

    def test_a_turn_over_tls_and_none_with_a_stranger(self):
        folder = tempfile.mkdtemp(prefix="tertulia-tls-")
        self.addCleanup(shutil.rmtree, folder)
        certificate, key = make_certificate(folder)
        front = TlsFront(int(self.upstream.url.rpartition(":")[2]), certificate, key)
        self.addCleanup(front.close)
        over_tls = {"OPENAI_BASE_URL": f"https://localhost:{front.port}/v1", "TERTULIA_RETRY_ATTEMPTS": "1"}
        runtime, _ = self.start(AWS_CA_BUNDLE=str(certificate), **over_tls)
        self.assertEqual(self.turn(runtime).json["message"], "[1] hello")
        self.assertEqual(front.versions, ["TLSv1.3"])

        runtime, _ = self.start(**over_tls)
        refused = self.turn(runtime)
        self.assertEqual(refused.status, 503)
        self.assertIn("certificate", refused.json["error"] + refused.json.get("message", ""))
        self.assertEqual(len(front.versions), 1)

    def test_a_store_that_it_does_not_have(self):
        runtime, function = self.start(TERTULIA_STORE="sqlite:/tmp/never.db")
        self.assertEqual(function.wait(60), 1)
        (_, error), = runtime.init_errors
        self.assertIn("without SQLite", error["errorMessage"])
        self.assertFalse(pathlib.Path("/tmp/never.db").exists())


class X86Test(Cases, unittest.TestCase):
    kind = KINDS["x86_64"]


class ArmTest(Cases, unittest.TestCase):
    kind = KINDS["arm64"]


if __name__ == "__main__":
    unittest.main()
