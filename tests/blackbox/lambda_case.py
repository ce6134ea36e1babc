"""What the tests of the program as a Lambda function share: a scripted provider, Runtime APIs and sandboxes."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest

import emf
from fake_upstream import FakeUpstream
from harness import KEY, ONE_CALL, REPORTS
from lambda_runtime import FakeRuntime, Function

MARGIN_MS = 500


class LambdaCase(unittest.TestCase):
    """`env` is added to every function's environment. A function must end well and without a sanitizer's report.

    TERTULIA_TEST_LAMBDA_STORE: for a program without SQLite (tests/lambda).
    """

    env = {}

    def setUp(self):
        self.upstream = FakeUpstream()
        self.addCleanup(self.upstream.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tertulia-lambda-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def environment(self):
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.upstream.url + "/v1",
            "TERTULIA_MODEL": "openai/default",
            "TERTULIA_STORE": os.environ.get("TERTULIA_TEST_LAMBDA_STORE", f"sqlite:{self.folder}/tertulia.db"),
            "TERTULIA_LAMBDA_MARGIN_MS": str(MARGIN_MS),
            "AWS_LAMBDA_FUNCTION_NAME": "chat",
            "AWS_REGION": "us-east-1",
        } | ONE_CALL

    def start(self, *, extensions=True, freezes=False, **env):
        """A Runtime API and a function behind it, ready for events; both end with the test."""
        runtime = FakeRuntime(extensions)
        self.addCleanup(runtime.close)
        function = Function(runtime, self.environment() | self.env | env, freezes=freezes)
        self.addCleanup(self.end, function, runtime)
        runtime.wait_polls(int(env.get("AWS_LAMBDA_MAX_CONCURRENCY", 1)))
        return runtime, function

    def end(self, function, runtime):
        code = function.stop()
        reports = [line for line in function.log if any(r in line for r in REPORTS)]
        if code not in getattr(function, "allowed", (0,)) or reports:
            self.fail(f"the function ended with {code}:\n" + "\n".join((reports + function.log)[-60:]))
        self.assertEqual(runtime.problems, [])
        for line in function.output:
            emf.metrics_of(json.loads(line))

    def ask(self, runtime, event, **options):
        return runtime.invoke(event, **options).wait()


def events_of(content):
    """The events of a whole SSE body: [(name, data)]."""
    events = []
    for block in content.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events
