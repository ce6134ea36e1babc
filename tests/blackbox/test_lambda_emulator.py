"""The program behind AWS's own Runtime Interface Emulator (of the package aws-sam-cli, which `./dev test` fetches); tests/lambda runs
this once more with the program out of the zip.

What it does differently from Lambda: a streamed answer comes in one piece, an error has status 200.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import platform
import socket
import stat
import subprocess
import tempfile
import unittest

import lambda_events as events
from fake_upstream import Held
from lambda_case import LambdaCase
from needs import needs
from server import binary, environment, prepare_child, wait_for

PACKAGES = os.environ.get("TERTULIA_TEST_PACKAGES")
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
EMULATOR = pathlib.Path(PACKAGES or "/nowhere") / f"samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}"
# A view of the file system of one's own (needs root).
ALONE = ("unshare", "--mount", "sh", "-c")


def can_be_alone():
    return not subprocess.run([*ALONE, "mount -t tmpfs none /var"], capture_output=True).returncode


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]


@needs(EMULATOR.exists(), "the Runtime Interface Emulator is not here (TERTULIA_TEST_PACKAGES)")
class EmulatorTest(LambdaCase):
    def emulate(self, **env):
        api, self.port = free_ports(2)
        EMULATOR.chmod(EMULATOR.stat().st_mode | stat.S_IXUSR)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = open(pathlib.Path(folder.name) / "log", "w+")  # noqa: SIM115
        self.addCleanup(log.close)
        addresses = ("--runtime-api-address", f"127.0.0.1:{api}", "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}")
        command = [EMULATOR, *addresses, binary()]
        if "AWS_LAMBDA_MAX_CONCURRENCY" in env:
            # Then it takes no bootstrap but one in a folder of its own, and starts it as another user.
            command = [*ALONE, f'mount -t tmpfs none /var && mkdir /var/task && cp "{binary()}" /var/task/bootstrap && exec "$@"', "sh", *command]
        process = subprocess.Popen(
            command,
            env=environment(self.environment() | {"AWS_LAMBDA_FUNCTION_TIMEOUT": "20"} | env),
            cwd=folder.name,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=prepare_child,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        wait_for(self.listens, "the emulator listens")

    def listens(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def invoke(self, event):
        """(status, body) of the invocation."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        response = connection.getresponse()
        return response.status, response.read()

    def test_turns_and_errors(self):
        self.emulate()
        for i in range(3):
            status, body = self.invoke(events.rest("POST", "/chat", {"message": f"m{i}", "session_id": "s"}))
            self.assertEqual(status, 200, body)
            answer = json.loads(body)
            self.assertEqual((answer["statusCode"], json.loads(answer["body"])["message"]), (200, f"[{2 * i + 1}] m{i}"))
        _, body = self.invoke({"Records": []})
        self.assertEqual(json.loads(body)["errorType"], "Request.Invalid")
        _, body = self.invoke(events.http("GET", "/healthz"))
        self.assertEqual(json.loads(body)["statusCode"], 200)

    def test_a_streamed_answer(self):
        self.emulate(TERTULIA_LAMBDA_RESPONSE="streaming")
        _, body = self.invoke(events.url("POST", "/chat", {"message": "hello", "stream": True}))
        prelude, mark, events_text = body.partition(b"\0" * 8)
        self.assertTrue(mark, body)
        self.assertEqual(json.loads(prelude)["headers"]["content-type"], "text/event-stream")
        self.assertIn(b"turn.completed", events_text)

    def test_a_store_that_cannot_be(self):
        self.emulate(TERTULIA_STORE="paper:")
        status, body = self.invoke(events.rest("GET", "/healthz"))
        self.assertEqual(status, 502, body)
        self.assertIn("paper:", json.loads(body)["errorMessage"])

    # Nothing installs a permission, so this is no failure in CI either.
    @unittest.skipUnless(can_be_alone(), "no permission for a mount namespace")
    def test_several_at_once(self):
        self.emulate(AWS_LAMBDA_MAX_CONCURRENCY="4", TERTULIA_STORE="memory:")
        held = [Held("a", "b") for _ in range(4)]
        for i, one in enumerate(held):
            self.upstream.script(f"m{i}", one.answer)

        def ask(i):
            event = events.rest("POST", "/chat", {"message": "x", "model": f"openai/m{i}"})
            # It refuses what comes before the next event is asked for, where others wait.
            return wait_for(lambda: next((a for a in [self.invoke(event)] if b"Runtime.Unavailable" not in a[1]), None))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, i) for i in range(4)]
            for one in held:
                one.gates[0].wait_reached()
            for one in held:
                one.rest()
            for one in asked:
                status, body = one.result()
                self.assertEqual((status, json.loads(json.loads(body)["body"])["message"]), (200, "ab"), body)


if __name__ == "__main__":
    unittest.main()
