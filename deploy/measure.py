#!/usr/bin/env python3
"""Measures what a turn needs of AWS, as far as that can be measured on one machine, for deploy/costs.py: the program of ./dev lambda
before fakes of the Runtime API, of Lambda and of API Gateway, and DynamoDB Local; the model is scripted (100 deltas in 5 s).

    ./dev lambda x86_64 && deploy/measure.py            prints it
    deploy/measure.py --update                          puts it into deploy/needs.json

What the requests to DynamoDB take in a session with history is measured by bench/dynamodb_bench.cpp; here only what a turn asks
beside that, for subscribers.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDS = ROOT / "deploy" / "needs.json"
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))

import dynamodb_faults  # noqa: E402
import dynamodb_local  # noqa: E402
from answers import Answer, Pause  # noqa: E402
from fake_aws import FakeAws  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from function_case import socket_event  # noqa: E402
from lambda_events import rest  # noqa: E402
from lambda_runtime import FakeRuntime, Function  # noqa: E402
from server import environment, wait_for  # noqa: E402

DELTAS, SECONDS = 100, 5
QUESTION, DELTA = "q" * 400, "a" * 16


class CountingProxy(dynamodb_faults.Faults):
    """What the requests for subscribers (items `W#...`) took."""

    def __init__(self, port):
        super().__init__(port, share=0)
        self.looks, self.written = 0, 0.0

    def count(self, operation, body, content):
        if b'"W#' not in body:
            return
        with self.lock:
            if operation == "Query":
                self.looks += 1  # of nothing, as a rule: AWS takes a unit for it, DynamoDB Local says none
            else:
                self.written += json.loads(content).get("ConsumedCapacity", {}).get("CapacityUnits", 0)


def watch_proxy():
    forward = dynamodb_faults._Handler.forward

    def counted(handler, body):
        status, headers, content = forward(handler, body)
        handler.owner.count(handler.headers["X-Amz-Target"].split(".")[-1], body, content)
        return status, headers, content

    dynamodb_faults._Handler.forward = counted


class Sandbox:
    """The program, and all that is around it."""

    def __init__(self, program, local, upstream):
        self.work = []
        self.aws = FakeAws(lambda _, payload: self.work.append(self.runtime.invoke(payload, 900)))
        self.proxy = CountingProxy(local.port).__enter__()
        self.runtime = FakeRuntime()
        self.runtime_events = 0
        env = self.aws.env | {
            "ANTHROPIC_API_KEY": "example", "ANTHROPIC_BASE_URL": upstream.url, "TERTULIA_MODEL": "anthropic/m", "TERTULIA_STORE": "dynamodb:",
            "AWS_ENDPOINT_URL_DYNAMODB": self.proxy.url, "AWS_LAMBDA_FUNCTION_NAME": "chat", "AWS_LAMBDA_MAX_CONCURRENCY": "4",
            "TERTULIA_LAMBDA_WEBSOCKET": "true",
        }
        self.function = Function(self.runtime, env, command=[program])
        self.runtime.wait_polls(4)

    def close(self):
        self.function.stop()
        self.aws.close()
        self.proxy.__exit__()

    def invoke(self, event):
        self.runtime_events += 1
        answer = self.runtime.invoke(event, 60).wait(60)
        if answer.error:
            raise RuntimeError(answer.error)
        return answer

    def wait_idle(self):
        for work in self.work:
            work.wait(60)
        self.runtime.wait_polls(4)

    def written(self):
        """Bytes of logs and metrics so far."""
        return sum(len(line.encode()) + 1 for line in self.function.log + self.function.output)

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.function.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def turn_over_rest(sandbox, session, model):
    """One turn: seconds, bytes of logs, looks for subscribers."""
    sandbox.wait_idle()
    lines, before, looked = len(sandbox.function.output), sandbox.written(), sandbox.proxy.looks
    answer = sandbox.invoke(rest("POST", "/chat", {"session_id": session, "message": QUESTION, "model": f"anthropic/{model}"}))
    if answer.status != 200 or len(answer.json["message"]) != DELTAS * len(DELTA):
        raise RuntimeError(answer.body)
    sandbox.wait_idle()
    wait_for(lambda: len(sandbox.function.output) > lines)
    return answer.answered_at - answer.given, sandbox.written() - before, sandbox.proxy.looks - looked


def measure_rest(sandbox):
    """Milliseconds beside the model's (of a model that answers at once), bytes of logs, and looks for subscribers in a turn of 5 s."""
    quick = [turn_over_rest(sandbox, "quick", "quick")[0] for _ in range(21)][1:]  # the first one is a cold start
    _, logs, looks = turn_over_rest(sandbox, "rest", "m")
    return statistics.median(quick) * 1000, logs, looks


def measure_websocket(sandbox):
    """A connection with one turn, and one more client who subscribes."""
    client, subscriber = sandbox.aws.client("A1="), sandbox.aws.client("B2=")
    subscribe = {"type": "subscribe", "session_id": "socket"}
    sandbox.invoke(socket_event("CONNECT", "B2=", headers={}))
    sandbox.invoke(socket_event("MESSAGE", "B2=", body=json.dumps(subscribe), context={"messageId": "m0="}))
    sandbox.wait_idle()
    events, invocations, written = sandbox.runtime_events, len(sandbox.work), sandbox.proxy.written
    sandbox.invoke(socket_event("CONNECT", "A1=", headers={}))
    connected = sandbox.proxy.written - written
    chat = {"type": "chat", "session_id": "socket", "message": QUESTION}
    sandbox.invoke(socket_event("MESSAGE", "A1=", body=json.dumps(chat), context={"messageId": "m1="}))
    client.wait_end(60)
    subscriber.wait_end(60)
    sandbox.wait_idle()
    told = sandbox.proxy.written - written - connected
    sandbox.invoke(socket_event("DISCONNECT", "A1=", headers={}))
    return {
        "invocations": sandbox.runtime_events - events + len(sandbox.work) - invocations,
        "frames_out": len(client.frames),
        "connection_wru": sandbox.proxy.written - written - told,
        "subscriber_wru": told,
    }


def program_of_zip(folder):
    archive = ROOT / "build/lambda/x86_64/tertulia.zip"
    if not archive.exists():
        sys.exit(f"no {archive.relative_to(ROOT)}: ./dev lambda makes it")
    with zipfile.ZipFile(archive) as opened:
        program = opened.extract("bootstrap", folder)
    os.chmod(program, 0o755)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--program", help="this one, in the place of the zip's")
    options = parser.parse_args()
    if why := dynamodb_local.missing():
        sys.exit(f"{why}: ./dev test fetches it")
    watch_proxy()
    with tempfile.TemporaryDirectory() as folder, dynamodb_local.DynamoDbLocal() as local:
        program = options.program or program_of_zip(folder)
        subprocess.run([program, "create-tables"], env=environment(local.environment()), check=True, stdout=subprocess.DEVNULL)
        upstream = FakeUpstream()
        upstream.script("m", Answer(*(part for _ in range(DELTAS) for part in (Pause(SECONDS / DELTAS), DELTA))))
        upstream.script("quick", Answer(*[DELTA] * DELTAS))
        sandbox = Sandbox(program, local, upstream)
        try:
            overhead, logs, looks = measure_rest(sandbox)
            socket = measure_websocket(sandbox)
            peak = sandbox.peak_mb()
        finally:
            sandbox.close()
            upstream.close()
    found = {
        "turn": {"overhead_ms": round(overhead), "log_bytes": round(logs), "peak_mb": round(peak, 1)},
        "websocket": {"looks": looks, **socket},
    }
    print(json.dumps(found, indent=2))
    if options.update:
        needs = json.loads(NEEDS.read_text())
        for section, values in found.items():
            needs[section] |= values
        NEEDS.write_text(json.dumps(needs, indent=2) + "\n")


if __name__ == "__main__":
    main()
