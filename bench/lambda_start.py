#!/usr/bin/env python3
"""How soon a Lambda function can take its first event, and what it holds after its first turn: the program of ./dev lambda beside a
handler in Python with boto3 and the provider's SDK. The same Runtime API, provider and database for all, in alternating rounds; each
number is the median of its rounds.

    ./dev lambda x86_64 && ./dev bench --only lambda
    python3 bench/lambda_start.py         # the same by itself, with options of its own

Prints the table of docs/lambda.md. The packages of the handler go into build/bench-venv.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/blackbox"))

from fake_dynamodb import FakeDynamoDb  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
import lambda_events as events  # noqa: E402
from lambda_runtime import FakeRuntime  # noqa: E402

HANDLER = ROOT / "bench/lambda_python"
ARCHIVES = {name: ROOT / f"build/lambda/{name}/tertulia.zip" for name in ("x86_64", "arm64")}
START_MS, RESIDENT_MB, ZIP_MB = 10, 24, 5


def missing():
    """Why this cannot be measured here; empty: it can."""
    if not ARCHIVES["x86_64"].exists():
        return f"no {ARCHIVES['x86_64'].relative_to(ROOT)}: ./dev lambda x86_64 makes it"
    if platform.machine() != "x86_64" or sys.version_info[:2] != (3, 11):
        return f"the handler's packages are for Python 3.11 on x86_64 ({HANDLER.relative_to(ROOT)}/requirements.txt)"
    try:
        python_of_handler()
    except subprocess.CalledProcessError:
        return "the packages of the handler in Python cannot be installed"
    return ""


def python_of_handler():
    """A virtual environment with the handler's packages, made once."""
    venv, wanted = ROOT / "build/bench-venv", HANDLER / "requirements.txt"
    kept = venv / "installed.txt"
    if not kept.exists() or kept.read_text() != wanted.read_text():
        print(f"Installing the packages of {wanted.relative_to(ROOT)} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
                        "--disable-pip-version-check", "-r", wanted], check=True)
        kept.write_text(wanted.read_text())
    return str(venv / "bin/python")


def resident_mb(pid):
    """Of the process: what it has now, and the part that no other process could share."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    value = {name: int(kb) / 1024 for name, kb in re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", text, re.M)}
    return value["VmRSS"], value["RssAnon"]


def measure(command, env):
    """One sandbox: start, first turn, second turn."""
    runtime, polls, log = FakeRuntime(), [], tempfile.TemporaryFile()
    runtime.on_poll = lambda: polls.append(time.perf_counter())
    env = env | {"AWS_LAMBDA_RUNTIME_API": runtime.address, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    began = time.perf_counter()
    # Without what would make Python copy itself first (a function to run in the child, closing what is open).
    process = subprocess.Popen(command, env=env, cwd="/", close_fds=False, stdout=subprocess.DEVNULL, stderr=log)
    try:
        runtime.wait_polls()
        event = events.http("POST", "/chat", {"message": "Hello", "session_id": "s"})
        times = []
        for _ in range(2):
            answer = runtime.invoke(event, seconds=60).wait(60)
            if answer.error or answer.status != 200:
                raise RuntimeError(f"{command[0]}: {answer.error or answer.body}")
            times.append((answer.answered_at - answer.given) * 1000)
            if len(times) == 1:
                resident, own = resident_mb(process.pid)
        return {"start": (polls[0] - began) * 1000, "first": times[0], "second": times[1], "resident": resident, "own": own}
    except Exception:
        log.seek(0)
        sys.stderr.write(log.read().decode()[-4000:] + "\n")
        raise
    finally:
        process.kill()
        process.wait()
        log.close()
        runtime.close()


def lanes(upstream, dynamodb, program, store):
    python = python_of_handler()
    shared = {
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url, "AWS_LAMBDA_FUNCTION_NAME": "chat",
        "OPENAI_API_KEY": "example", "OPENAI_BASE_URL": upstream.url + "/v1", "ANTHROPIC_API_KEY": "example",
        "ANTHROPIC_BASE_URL": upstream.url, "TERTULIA_STORE": store,
    }
    handler = [python, str(HANDLER / "bootstrap.py")]
    return {
        "Tertulia, OpenAI": ([program], shared | {"TERTULIA_MODEL": "openai/default"}),
        "Python, boto3 and OpenAI's SDK": (handler, shared | {"PROVIDER": "openai"}),
        "Tertulia, Anthropic": ([program], shared | {"TERTULIA_MODEL": "anthropic/default"}),
        "Python, boto3 and Anthropic's SDK": (handler, shared | {"PROVIDER": "anthropic"}),
    }


def run(rounds, store="dynamodb:"):
    """Every round's numbers of each lane."""
    upstream, dynamodb = FakeUpstream(), FakeDynamoDb()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(ARCHIVES["x86_64"]) as archive:
            program = archive.extract("bootstrap", folder)
        os.chmod(program, 0o755)
        compared = lanes(upstream, dynamodb, program, store)
        results = {name: [] for name in compared}
        for round_number in range(rounds + 1):
            for name, lane in compared.items():
                result = measure(*lane)
                if round_number > 0:  # the first one fills the page cache
                    results[name].append(result)
    upstream.close()
    dynamodb.shutdown()
    return results


def report(results):
    """The table of the medians, and whether the targets are met: as text, and as it is."""

    def median(name, what):
        return statistics.median(result[what] for result in results[name])

    lines = ["| | start to first `/next` | first turn | second turn | resident after the first turn | of that its own |",
             "|---|---:|---:|---:|---:|---:|"]
    for name in results:
        lines.append(f"| {name} | {median(name, 'start'):.1f} ms | {median(name, 'first'):.1f} ms | {median(name, 'second'):.1f} ms | "
                     f"{median(name, 'resident'):.1f} MB | {median(name, 'own'):.1f} MB |")
    sizes = {name: path.stat().st_size / 1e6 for name, path in ARCHIVES.items() if path.exists()}
    lines += ["", "Zip: " + ", ".join(f"{size:.2f} MB ({name})" for name, size in sizes.items())]
    ours = [name for name in results if name.startswith("Tertulia")]
    met = (all(median(name, "start") <= START_MS and median(name, "resident") <= RESIDENT_MB for name in ours)
           and all(size <= ZIP_MB for size in sizes.values()))
    lines += ["", f"Targets (start {START_MS} ms, resident {RESIDENT_MB} MB, zip {ZIP_MB} MB): {'met' if met else '**missed**'}"]
    return "\n".join(lines), met


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--store", default="dynamodb:", help="of ours; Python's is always DynamoDB")
    parser.add_argument("--json", type=pathlib.Path, help="keep every round's numbers there")
    options = parser.parse_args()
    if why := missing():
        sys.exit(why)
    results = run(options.rounds, options.store)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    text, met = report(results)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
