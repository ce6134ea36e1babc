"""Turns the rounds' numbers into the table and the list of targets."""

import os
import platform
import statistics
import subprocess

TITLES = {
    "json": 'JSON, 977-byte answer, `stream = "as_asked"`',
    "burst": "100 events of 165 bytes in one write",
    "paced": "100 events of 165 bytes, one every 10 ms",
    "latency": "JSON at 1 000 requests a second (open loop), latency over the direct one",
    "first_event": "The first event with text, 200 new streams a second (open loop), over the direct one",
    "slow": "Slow streams, 2 events a second each",
    "lively": "Streams of 40 events a second each",
    "long": "A long session beside a short one",
}


BEFORE = ", before"  # ends the names of the lanes of the other version
THINKING = ", 20 ms to the first event"


class Results:
    """Medians and ratios over what was measured; None where something was not."""

    def __init__(self, results):
        self.rounds = {(case, point["lane"], point["connections"]): point["rounds"]
                       for case, points in results.items() for point in points if point["rounds"]}

    def value(self, case, lane, connections, field):
        rounds = self.rounds.get((case, lane, connections))
        return statistics.median(r[field] for r in rounds) if rounds else None

    def ratios(self, case, lane, base, connections, field):
        """Round by round: what was measured one after the other is compared."""
        ours, theirs = self.rounds.get((case, lane, connections)), self.rounds.get((case, base, connections))
        return [a[field] / b[field] for a, b in zip(ours or [], theirs or []) if b[field]]

    def ratio(self, *what):
        ratios = self.ratios(*what)
        return statistics.median(ratios) if ratios else None

    def keys(self, case):
        return [(lane, c) for (name, lane, c) in self.rounds if name == case]


def show(value, digits=0, unit=""):
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ") + unit


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def throughput_table(results, case, unit):
    rows = []
    for lane, c in results.keys(case):
        rows.append([f"{c}, {lane}",
                     show(results.value(case, lane, c, "per_second")),
                     show(results.ratio(case, lane, "nginx", c, "per_second"), 2),
                     show(results.value(case, lane, c, "server_cpu_us_per_request"), 1),
                     show(results.ratio(case, lane, "nginx", c, "server_cpu_us_per_request"), 2),
                     show(results.value(case, lane, c, "p50_us")), show(results.value(case, lane, c, "p99_us")),
                     show(results.value(case, lane, c, "rss_kb") / 1024, 1)])
    return table(["connections, server", f"{unit}/s", "of nginx", "CPU µs", "of nginx", "p50 µs", "p99 µs", "RSS MB"],
                 rows)


def paced_table(results):
    rows = []
    for lane, c in results.keys("paced"):
        rows.append([f"{c}, {lane}", show(results.value("paced", lane, c, "events_per_second")),
                     show(results.value("paced", lane, c, "server_cpu_us_per_event"), 1),
                     show(results.ratio("paced", lane, "nginx", c, "server_cpu_us_per_event"), 2),
                     show(results.value("paced", lane, c, "first_p50_us")),
                     show(results.value("paced", lane, c, "rss_kb") / 1024, 1)])
    return table(["connections, server", "events/s", "CPU µs per event", "of nginx", "first byte p50 µs", "RSS MB"], rows)


def latency_table(results):
    rows = []
    for lane, c in results.keys("latency"):
        added = [added_latency(results, lane, field) for field in ("p50_us", "p99_us")]
        rows.append([lane, show(results.value("latency", lane, c, "p50_us")),
                     show(results.value("latency", lane, c, "p99_us")), show(added[0]), show(added[1]),
                     show(results.value("latency", lane, c, "server_cpu_us_per_request"), 1)])
    return table(["server", "p50 µs", "p99 µs", "added p50 µs", "added p99 µs", "CPU µs"], rows)


def first_event_table(results):
    rows = []
    for lane, c in results.keys("first_event"):
        added = [added_latency(results, lane, field, "first_event", "direct" + thinking(lane))
                 for field in ("first_text_p50_us", "first_text_p99_us")]
        rows.append([lane, show(results.value("first_event", lane, c, "first_text_p50_us")),
                     show(results.value("first_event", lane, c, "first_text_p99_us")), show(added[0]), show(added[1])])
    return table(["server", "p50 µs", "p99 µs", "added p50 µs", "added p99 µs"], rows)


def thinking(lane):
    return THINKING if lane.removesuffix(BEFORE).endswith(THINKING) else ""


def added_latency(results, lane, field, case="latency", base="direct"):
    """Over the direct way (or `base`), round by round."""
    rounds = {name: results.rounds[case, name, c] for name, c in results.keys(case)}
    differences = [a[field] - b[field] for a, b in zip(rounds.get(lane, []), rounds.get(base, []))]
    return statistics.median(differences) if differences else None


def slow_table(results, case="slow"):
    rows = []
    for lane, c in results.keys(case):
        per_stream = [show((results.value(case, lane, c, field) or 0) / c, 1)
                      for field in ("anon_growth_kb", "rss_growth_kb", "pss_growth_kb")]
        rows.append([f"{show(c)}, {lane}", show(results.value(case, lane, c, "events_per_second")),
                     show(results.value(case, lane, c, "running")), show(results.value(case, lane, c, "complete")),
                     *per_stream, show(results.value(case, lane, c, "server_cpu_us_per_event"), 1),
                     show(results.ratio(case, lane, "nginx", c, "server_cpu_us_per_event"), 2)])
    parts = [table(["streams, server", "events/s", "running at the end of the counted time", "complete in the end",
                    "anonymous KB each", "RSS KB each", "PSS KB each", "CPU µs per event", "of nginx"], rows)]
    resumed = []
    for lane, c in results.keys(case):
        if results.value(case, lane, c, "caught_up"):
            resumed.append([lane, show(results.value(case, lane, c, "caught_up")),
                            *(show((results.value(case, lane, c, f"catching_up_{q}_us") or 0) / 1000)
                              for q in ("p50", "p99", "max")),
                            show(results.value(case, lane, c, "resumed_complete"))])
    if resumed:
        parts.append(table(["running streams read again, all at once", "caught up", "p50 ms", "p99 ms", "last ms",
                            "complete in the end"], resumed))
    return "\n\n".join(parts)


def checkpoint_share(results, case):
    """How much of the CPU per event is there for the checkpoints, of what there is with them; round by round."""
    with_, without = ([r["server_cpu_us_per_event"] for (name, lane, _), rounds in results.rounds.items()
                       for r in rounds if name == case and lane == wanted]
                      for wanted in ("sqlite", "sqlite, no checkpoints"))
    shares = [(a - b) / a for a, b in zip(with_, without)]
    return statistics.median(shares) if shares else None


def long_table(results):
    rows = []
    for lane, c in results.keys("long"):
        cpu = [r["server_cpu_us_per_request"] for r in results.rounds["long", lane, c]]
        rows.append([lane, show(statistics.median(cpu), 1), f"{min(cpu):.1f} – {max(cpu):.1f}",
                     show(results.value("long", lane, c, "p50_us")),
                     show(results.value("long", lane, c, "context_tokens"))])
    return table(["turn", "CPU µs", "rounds", "p50 µs", "context, estimated tokens"], rows)


def before_table(results):
    """CPU of this version, of that of the version before: the median of the rounds' ratios, and their middle half."""
    rows = []
    for case in TITLES:
        for lane, c in results.keys(case):
            ratios = results.ratios(case, lane, lane + BEFORE, c, "server_cpu_us_per_request")
            if len(ratios) > 1:
                low, middle, high = statistics.quantiles(ratios, n=4)
                rows.append([f"{case}: {c}, {lane}", show(middle, 2), f"{low:.2f} – {high:.2f}",
                             show(results.ratio(case, lane, lane + BEFORE, c, "per_second"), 2)])
    return table(["connections, server", "CPU per answer, of before", "middle half of the rounds", "answers/s, of before"],
                 rows) if rows else None


def targets(results, facts):
    """The targets, word for word numbers; each as (what, wanted, got, met)."""
    rows = []

    def at_least(what, wanted, got):
        rows.append((what, f"≥ {wanted}", show(got, 2), got is not None and got >= wanted))

    def at_most(what, wanted, got, unit="", digits=2):
        if wanted is not None:
            rows.append((what, f"≤ {show(wanted, digits)}{unit}", show(got, digits, unit),
                         got is not None and got <= wanted))

    measured = {case for case, _, _ in results.rounds}
    if "json" in measured:
        ratio = lambda lane: results.ratio("json", lane, "nginx", 32, "per_second")
        at_least("JSON as asked, 32 connections, memory store: req/s of nginx's", 0.9, ratio("memory"))
        at_least("JSON as asked, 32 connections, SQLite, durable: req/s of nginx's", 0.2, ratio("sqlite"))
    if "burst" in measured:
        ratio = lambda lane: results.ratio("burst", lane, "nginx", 32, "per_second")
        at_least("JSON, `stream = \"always\"`, 32 connections, memory store: req/s of nginx's streams/s", 0.8,
                 ratio("memory json"))
        at_least("the same with SQLite, durable", 0.8, ratio("sqlite json"))
        at_least("SSE burst, 32 connections, memory store: streams/s of nginx's", 0.5, ratio("memory sse"))
        at_least("the same with SQLite, durable", 0.5, ratio("sqlite sse"))
    if "paced" in measured:
        for lane in ("memory", "sqlite"):
            at_most(f"SSE paced, 64 connections, {lane}: CPU per event of nginx's", 1.2,
                    results.ratio("paced", lane, "nginx", 64, "server_cpu_us_per_event"))
    if "latency" in measured:
        nginx, ours = added_latency(results, "nginx", "p50_us"), added_latency(results, "sqlite", "p50_us")
        allowed = 2 * facts["fdatasync_us"] + 300
        at_most("added p50 at 1 000 req/s over nginx's, SQLite, durable (two fdatasyncs + 0.3 ms)", allowed,
                None if ours is None or nginx is None else ours - nginx, " µs", 0)
    if "first_event" in measured:
        for lane in ("memory", "sqlite", "memory" + THINKING, "sqlite" + THINKING):
            at_most(f"the first event with text, {lane}: added p50 over nginx's", 500,
                    added_latency(results, lane, "first_text_p50_us", "first_event", "nginx" + thinking(lane)), " µs", 0)
    if "slow" in measured:
        slow_targets(results, at_most)
    if "lively" in measured:
        share = checkpoint_share(results, "lively")
        at_most("CPU of checkpoints, of all, at 40 events/s", 5, None if share is None else share * 100, " %", 1)
    if "store" in facts:
        at_least("store alone, 16 turns in flight: turns/s of a raw fdatasync append log", 0.15,
                 facts["store"]["ratio"])
    if "long" in measured:
        rows.append(long_target(results))
    return rows


def slow_targets(results, at_most):
    for lane, count in results.keys("slow"):
        if lane != "sqlite":
            continue
        value = lambda field: results.value("slow", lane, count, field)
        missing = max(count - r["complete"] for r in results.rounds["slow", lane, count])
        at_most(f"slow streams that do not complete, of {count} at once", 0, missing, "", 0)
        at_most("user memory of a slow stream (growth of RSS)", 12, value("rss_growth_kb") / count, " KB", 1)
        at_most("CPU per event of a slow stream, of nginx's", 1.3,
                results.ratio("slow", lane, "nginx", count, "server_cpu_us_per_event"))
        share = checkpoint_share(results, "slow")
        at_most("CPU of checkpoints, of all, at 2 events/s", 15, None if share is None else share * 100, " %", 1)
        at_most("commits of checkpoints a second (an interval is 250 ms)", 4, value("checkpoints_per_second"), "", 1)
        late = max(r["catching_up_max_us"] for r in results.rounds["slow", lane, count]) / 1e6
        at_most(f"{show(value('caught_up'))} running streams read again at once: the last has caught up after", 2,
                late if value("caught_up") else None, " s")


def long_target(results):
    """Within noise: the medians differ by less than the short session's own rounds do (or by 5 %)."""
    (short, _), (long, _) = results.keys("long")
    cpu = {lane: [r["server_cpu_us_per_request"] for r in results.rounds["long", lane, 1]] for lane in (short, long)}
    ratio = statistics.median(cpu[long]) / statistics.median(cpu[short])
    noise = max(0.05, (max(cpu[short]) - min(cpu[short])) / statistics.median(cpu[short]) / 2)
    return (f"CPU of {long} of a session, of {short}'s", f"≤ {1 + noise:.2f} (noise of this run)", f"{ratio:.2f}",
            ratio <= 1 + noise)


def machine(options, bench):
    def first_line(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
            return (done.stdout + done.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            return "?"

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    system = next((line.split("=")[1].strip().strip('"') for line in open("/etc/os-release")
                   if line.startswith("PRETTY_NAME")), "?")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) / 2**20
    return [
        f"{os.cpu_count()} × {cpu}, {memory:.0f} GB, {system}, kernel {platform.release()}",
        f"{first_line(bench.nginx_program, '-v')}; {first_line(options.binary, '--version')}",
        f"{options.rounds} alternating rounds of {options.seconds} s after {options.warmup} s of warm-up; server on core "
        f"{bench.server_cpu}, load and upstream on core {bench.load_cpu}",
    ]


def markdown(raw, facts):
    results = Results(raw)
    parts = ["\n".join(f"- {line}" for line in facts["machine"] + [f"took {facts['minutes']:.1f} minutes"])]
    if "fdatasync_us" in facts:
        parts[0] += f"\n- fdatasync after appending 4 KiB: median {facts['fdatasync_us']:.0f} µs"
    if "fdatasync_paced_us" in facts:
        parts[0] += f"\n- the same with 5 ms of rest before each: median {facts['fdatasync_paced_us']:.0f} µs"
    for case in (name for name in raw if results.keys(name)):
        body = {"paced": paced_table, "latency": latency_table, "long": long_table,
                "first_event": first_event_table, "slow": slow_table,
                "lively": lambda results: slow_table(results, "lively")}.get(case)
        unit = "answers" if case == "burst" else "req"
        parts.append(f"### {TITLES[case]}\n\n" + (body(results) if body else throughput_table(results, case, unit)))
    if "store" in facts:
        store = facts["store"]
        parts.append("### The store alone, 16 turns in flight\n\n" + table(
            ["", "turns/s", "p50 µs", "p99 µs"],
            [[name, show(store[name]["per_second"]), show(store[name]["p50_us"]), show(store[name]["p99_us"])]
             for name in ("log", "sqlite")]))
    if "dynamodb" in facts:
        parts.append("### What turns cost in DynamoDB\n\n```\n" + facts["dynamodb"].rstrip() + "\n```")
    if "lambda" in facts:
        parts.append("### As a Lambda function\n\n" + facts["lambda"]["report"])
    if versions := before_table(results):
        parts.append("### This version beside the one before\n\n" + versions)
    goals = [(what, wanted, got, "not measured" if got == "–" else "met" if met else "**missed**")
             for what, wanted, got, met in targets(results, facts)]
    if goals:
        parts.append("### Targets\n\n" + table(["target", "wanted", "measured", ""], goals))
    return "\n\n".join(parts)
