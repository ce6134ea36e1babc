#!/usr/bin/env python3
"""The whole-server benchmark: Tertulia beside nginx as a pass-through proxy, both in front of the same mock upstream.

The server under test has one core for itself, the load generator and the upstream share another. All that is compared
is measured in alternating rounds of one run; every number is the median of its rounds, every ratio the median of the
rounds' ratios. bench/README.md says how to read the result.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
import urllib.request

import lambda_start
import report
from servers import Bench, StartFailed

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))
import dynamodb_local  # noqa: E402

# What one load run is like. `server`: direct (to the mock), nginx, memory or sqlite (Tertulia with that store).
# `before`: of the other version that --before names.
Lane = collections.namedtuple("Lane", "name server model stream checkpoints before", defaults=["json", False, True, False])

JSON = [
    Lane("direct", "direct"),
    Lane("nginx", "nginx"),
    Lane("memory", "memory", "asked/json"),
    Lane("sqlite", "sqlite", "asked/json"),
]
BURST = [
    Lane("direct", "direct", "burst-100", True),
    Lane("nginx", "nginx", "burst-100", True),
    Lane("memory json", "memory", "always/burst-100"),
    Lane("sqlite json", "sqlite", "always/burst-100"),
    Lane("memory sse", "memory", "always/burst-100", True),
    Lane("sqlite sse", "sqlite", "always/burst-100", True),
]
PACED = [
    Lane("direct", "direct", "paced-100-10", True),
    Lane("nginx", "nginx", "paced-100-10", True),
    Lane("memory", "memory", "always/paced-100-10", True),
    Lane("sqlite", "sqlite", "always/paced-100-10", True),
]
FIRST_EVENT = [
    Lane("direct", "direct", "paced-10-10", True),
    Lane("nginx", "nginx", "paced-10-10", True),
    Lane("memory", "memory", "always/paced-10-10", True),
    Lane("sqlite", "sqlite", "always/paced-10-10", True),
]
# As models are, though none is so quick: what is done meanwhile costs no time.
THINKING_FIRST = [lane._replace(name=lane.name + report.THINKING, model=lane.model + "-20") for lane in FIRST_EVENT]


def with_before(lanes):
    """Each lane of Tertulia's, and right after it the same one of the version before."""
    ours = ("memory", "sqlite")
    return [each for lane in lanes for each in
            ([lane, lane._replace(name=lane.name + report.BEFORE, before=True)] if lane.server in ours else [lane])]


def slow_lanes(model):
    return [
        Lane("nginx", "nginx", model, True),
        Lane("sqlite", "sqlite", "always/" + model, True),
        Lane("sqlite, no checkpoints", "sqlite", "always/" + model, True, False),
    ]


class Run:
    def __init__(self, options, bench):
        self.options = options
        self.bench = bench
        self.results = {}  # case -> [point]; a point: {"lane", "connections", "rounds": [what bench_load printed]}
        self.facts = {}
        self.failures = []

    # One measurement

    def load(self, server, mock, lane, *arguments):
        if lane.server in ("direct", "nginx"):
            path = "/sse/chat/completions" if lane.stream and lane.server == "nginx" else "/v1/chat/completions"
            kind = "openai"
        else:
            path, kind = "/chat", "tertulia"
        command = [str(self.bench.load_program), "--url", server.url + path, "--kind", kind, "--model", lane.model,
                   "--server-pid", str(server.pid), "--upstream-pid", str(mock.pid)]
        command += ["--stream"] if lane.stream else []
        command += [str(a) for a in arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900,
                              preexec_fn=lambda: os.sched_setaffinity(0, {self.bench.load_cpu}))
        if done.returncode != 0:
            self.failures.append(f"{lane.name}: {' '.join(str(a) for a in arguments)}: {done.stderr.strip()[-400:]}")
            print("  FAILED", self.failures[-1], file=sys.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def rounds(self, case, lanes, connections, arguments, rounds=None):
        """Alternates over all lanes and connection counts; keeps every round's numbers."""
        lanes = with_before(lanes) if self.options.before else lanes
        points = {(lane, c): [] for c in connections for lane in lanes}
        with self.bench.mock() as mock:
            fixed = {("direct", False): mock}
            try:
                fixed["nginx", False] = self.bench.nginx(mock)
                for lane in lanes:
                    if lane.server == "sqlite" and ("sqlite", lane.before) not in fixed:
                        fixed["sqlite", lane.before] = self.bench.tertulia(mock, "sqlite", before=lane.before)
                for _ in range(rounds or self.options.rounds):
                    for c in connections:
                        for lane in lanes:
                            # The memory store keeps every turn: a new process each time, or it only grows.
                            kept = fixed.get((lane.server, lane.before))
                            server = kept or self.bench.tertulia(mock, lane.server, before=lane.before)
                            try:
                                result = self.load(server, mock, lane, "--connections", c, *arguments)
                            finally:
                                if not kept:
                                    server.stop()
                            if result:
                                points[lane, c].append(result)
            finally:
                for server in fixed.values():
                    server.stop()
        self.results[case] = [{"lane": lane.name, "connections": c, "rounds": results}
                              for (lane, c), results in points.items()]

    # The cases

    def case_json(self):
        """JSON answers of 977 bytes, stream = "as_asked"."""
        self.rounds("json", JSON, self.options.connections, self.window())

    def case_burst(self):
        """100-event streams that come in one write: relayed as SSE, and answered as JSON with stream = "always"."""
        self.rounds("burst", BURST, self.options.connections, self.window())

    def case_paced(self):
        """100-event streams with an event every 10 ms."""
        self.rounds("paced", PACED, self.options.connections, ["--ramp", 1, "--warmup", 0.2, "--seconds", self.options.seconds])

    def case_latency(self):
        """1 000 requests a second, whatever comes back: what each server adds to the upstream's own latency."""
        self.facts["fdatasync_us"] = measure_fdatasync(self.bench.work_dir, self.bench.server_cpu)
        self.rounds("latency", JSON, [64], ["--rate", 1000, "--warmup", 0.5, "--seconds", self.options.seconds * 2])

    def case_first_event(self):
        """Streams begun at a steady rate: what each server adds to the time until the first event with text."""
        # At this pace a disk answers later than in a tight loop.
        self.facts["fdatasync_paced_us"] = measure_fdatasync(self.bench.work_dir, self.bench.server_cpu, pause=0.005)
        self.rounds("first_event", FIRST_EVENT + THINKING_FIRST, [200],
                    ["--rate", 200, "--warmup", 0.5, "--seconds", self.options.seconds * 2])

    def case_slow(self):
        """Thousands of streams at once, 2 events a second each: memory, CPU, checkpoints, reading on elsewhere."""
        count = self.options.streams
        self.slow("slow", "paced-80-500", count, ["--ramp", count / 1000, "--warmup", 2, "--seconds", 4],
                  ["--resume", min(1000, count)], rounds=1 if self.options.quick else 3)

    def case_lively(self):
        """A twentieth of those streams, 40 events a second each: what checkpoints cost."""
        # A few per cent are looked for: more rounds, of shorter streams.
        self.slow("lively", "paced-300-25", self.options.streams // 20, ["--ramp", 1, "--warmup", 1, "--seconds", 4],
                  rounds=self.options.rounds)

    def slow(self, case, model, count, window, resume=(), rounds=1):
        """Each measurement has a server of its own: a second one would find the memory of the first."""
        points = {lane: [] for lane in slow_lanes(model)}
        for _ in range(rounds):
            for lane, results in points.items():
                with self.bench.mock() as mock, self.start(lane, mock) as server:
                    commits = StoreWrites(server) if lane.server == "sqlite" else None
                    result = self.load(server, mock, lane, "--connections", count, "--once", *window,
                                       *(resume if lane.server == "sqlite" else ()))
                    if result:
                        results.append(result | (commits.per_second() if commits else {}))
        self.results[case] = [{"lane": lane.name, "connections": count, "rounds": results}
                              for lane, results in points.items()]

    def start(self, lane, mock):
        if lane.server == "nginx":
            return self.bench.nginx(mock)
        return self.bench.tertulia(mock, lane.server, lane.checkpoints)

    def case_long(self):
        """Turn 10 001 of a session beside turn 11: CPU per turn.

        The model's window is filled in both (8 192 tokens, 8 KB messages), so the difference is the session's length
        alone. Short sessions are measured in their turns 11 to 20, the long one from 10 001 on.
        """
        turns = 1000 if self.options.quick else 10000
        lane = Lane("", "sqlite", "asked/gpt-4")
        size = ["--body", 8000, "--warmup", 0]
        points = {"turn 11": [], f"turn {turns + 1}": []}
        with self.bench.mock() as mock, self.bench.tertulia(mock, "sqlite") as server:
            self.load(server, mock, lane, *size, "--sessions", 1, "--session-prefix", "long", "--requests", turns)
            for number in range(5 if self.options.quick else 11):
                # 20 sessions get their first 10 turns, then 10 more that count.
                short = [*size, "--sessions", 20, "--session-prefix", f"short{number}", "--requests", 200]
                self.load(server, mock, lane, *short)
                points["turn 11"].append(self.load(server, mock, lane, *short))
                points[f"turn {turns + 1}"].append(
                    self.load(server, mock, lane, *size, "--sessions", 1, "--session-prefix", "long",
                              "--requests", 200))
        self.results["long"] = [{"lane": name, "connections": 1, "rounds": [r for r in results if r]}
                                for name, results in points.items()]

    def case_store(self):
        """The SQLite store alone, 16 turns in flight, beside a raw fdatasync append log."""
        program = self.bench.find("store_bench")
        done = subprocess.run([str(program), "--folder", str(self.bench.work_dir), "--in-flight", "16",
                               "--rounds", str(self.options.rounds), "--seconds", str(self.options.seconds)],
                              capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            self.failures.append(f"store_bench: {done.stderr.strip()[-400:]}")
            return
        self.facts["store"] = json.loads(done.stdout)

    def case_dynamodb(self):
        """What turns cost in DynamoDB, as DynamoDB Local counts it."""
        if why := dynamodb_local.missing():
            print(f"left out: {why}; ./dev test fetches what it can", file=sys.stderr)
            return
        with dynamodb_local.DynamoDbLocal() as local:
            done = subprocess.run([str(self.bench.find("dynamodb_bench"))], env=os.environ | {"TERTULIA_TEST_DYNAMODB": local.url},
                                  capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            self.failures.append(f"dynamodb_bench: {done.stderr.strip()[-400:]}")
            return
        self.facts["dynamodb"] = done.stdout

    def case_lambda(self):
        """As a Lambda function, beside a handler in Python: its start, its first turns, what it holds."""
        if why := lambda_start.missing():
            print(f"left out: {why}", file=sys.stderr)
            return
        try:
            rounds = lambda_start.run(self.options.rounds)
        except (AssertionError, RuntimeError) as error:
            self.failures.append(f"lambda: {error}")
            return
        self.facts["lambda"] = {"rounds": rounds, "report": lambda_start.report(rounds)[0]}

    def window(self):
        return ["--warmup", self.options.warmup, "--seconds", self.options.seconds]


class StoreWrites:
    """The server's own count of its store's checkpoints of running turns, between two moments of its life."""

    PATTERN = re.compile(r'^tertulia_store_seconds_count\{operation="checkpoint"\} (\S+)', re.MULTILINE)

    def __init__(self, server):
        self.server = server
        self.begin = time.monotonic()

    def per_second(self):
        text = urllib.request.urlopen(self.server.url + "/metrics", timeout=10).read().decode()
        found = self.PATTERN.search(text)
        seconds = time.monotonic() - self.begin
        return {"checkpoints_per_second": (float(found.group(1)) if found else 0) / seconds}


def measure_fdatasync(folder, cpu, pause=0):
    """The median time of appending 4 KiB and fdatasync, in microseconds, in this folder and on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    path = pathlib.Path(folder) / "fdatasync"
    block = b"x" * 4096
    times = []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    try:
        for _ in range(500):
            start = time.monotonic_ns()
            os.write(file, block)
            os.fdatasync(file)
            times.append((time.monotonic_ns() - start) / 1000)
            time.sleep(pause)
    finally:
        os.close(file)
        path.unlink()
        os.sched_setaffinity(0, before)
    return statistics.median(times)


def on_memory_disk(folder):
    """Whether `folder` (or what is there of its path) is on a tmpfs."""
    folder = pathlib.Path(folder).resolve()
    mounts = {fields[1]: fields[2] for fields in (line.split() for line in open("/proc/mounts"))}
    place = next((p for p in [folder, *folder.parents] if str(p) in mounts), None)
    return place is not None and mounts[str(place)] in ("tmpfs", "ramfs")


CASES = {name[len("case_"):]: method for name, method in vars(Run).items() if name.startswith("case_")}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and short windows: a few minutes, rough")
    parser.add_argument("--only", action="append", choices=list(CASES), help="this case only (may be repeated)")
    parser.add_argument("--json", metavar="FILE", help="write every round's numbers there too")
    parser.add_argument("--build-dir", default=str(ROOT / "build" / "release"))
    parser.add_argument("--binary", help="the server (BUILD_DIR/tertulia)")
    parser.add_argument("--before", metavar="BINARY", help="another version, measured in the same rounds (all but the slow"
                        " streams), and a table of the ratios")
    parser.add_argument("--work-dir", help="databases and logs (BUILD_DIR/bench-run); must be on a real disk")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="how long each measurement counts")
    parser.add_argument("--connections", type=int, nargs="+")
    parser.add_argument("--streams", type=int, default=9000, help="slow streams at once (9000)")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.7 if options.quick else 1.5)
    options.warmup = 0.3 if options.quick else 0.4
    options.connections = options.connections or ([32, 64] if options.quick else [1, 32, 64, 256])
    options.binary = options.binary or str(pathlib.Path(options.build_dir) / "tertulia")
    options.work_dir = options.work_dir or str(pathlib.Path(options.build_dir) / "bench-run")
    return options


def main():
    options = parse_options()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("bench: one core for the server and one for the load are needed", file=sys.stderr)
        return 2
    if on_memory_disk(options.work_dir):
        print("bench: the work folder is in memory (tmpfs): durable turns would cost nothing; see --work-dir",
              file=sys.stderr)
        return 2
    try:
        bench = Bench(options.binary, options.build_dir, options.work_dir, cores=(cpus[0], cpus[1]), before=options.before)
        run = Run(options, bench)
        started = time.monotonic()
        for name in options.only or CASES:
            print(f"# {name}: {CASES[name].__doc__.strip().splitlines()[0]}", file=sys.stderr, flush=True)
            CASES[name](run)
        run.facts["minutes"] = (time.monotonic() - started) / 60
    except StartFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    run.facts["machine"] = report.machine(options, bench)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"facts": run.facts, "results": run.results}, indent=1))
    print(report.markdown(run.results, run.facts))
    for failure in run.failures:
        print(f"failed: {failure}", file=sys.stderr)
    bench.clean_up()
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
