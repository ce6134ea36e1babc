"""A strict reader of CloudWatch's embedded metric format: what breaks a rule is a ValueError."""

import time

UNITS = {"Count", "Milliseconds", "None"}  # those that we use
DAY_MS = 86_400_000


def require(holds, what):
    if not holds:
        raise ValueError(what)


def is_value(value):
    numbers = value if isinstance(value, list) else [value]
    return 0 < len(numbers) <= 100 and all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)


def metrics_of(line):
    """Checks one line (as parsed JSON): {(dimension names): {metric: value}}."""
    require(isinstance(line, dict) and "_aws" in line, "no _aws member")
    meta = line["_aws"]
    now = time.time() * 1000
    stamp = meta["Timestamp"]
    require(isinstance(stamp, int) and now - 14 * DAY_MS < stamp < now + DAY_MS / 12, f"Timestamp {stamp}")
    require(meta["CloudWatchMetrics"], "no directive")
    found = {}
    for directive in meta["CloudWatchMetrics"]:
        require(set(directive) == {"Namespace", "Dimensions", "Metrics"}, f"members of a directive: {set(directive)}")
        require(0 < len(directive["Namespace"]) <= 1024, "Namespace")
        require(0 < len(directive["Metrics"]) <= 100, "number of metrics")
        names = set()
        for metric in directive["Metrics"]:
            name = metric["Name"]
            require(name not in names, f"{name} twice in a directive")
            names.add(name)
            require(metric.get("Unit", "None") in UNITS, f"unit of {name}")
            require(metric.get("StorageResolution", 60) in (1, 60), f"resolution of {name}")
            require(name in line, f"{name} has no target member")
            require(is_value(line[name]), f"{name} is {line[name]!r}")
        require(directive["Dimensions"], "no set of dimensions")
        for dimensions in directive["Dimensions"]:
            require(len(dimensions) <= 30, "number of dimensions")
            for dimension in dimensions:
                value = line.get(dimension)
                require(isinstance(value, str) and 0 < len(value) <= 1024, f"dimension {dimension} is {value!r}")
                require(dimension not in ("session_id", "turn_id", "request_id"), f"{dimension} has too many values")
            key = tuple(dimensions)
            require(not found.get(key, {}).keys() & names, f"{key} is told twice")
            found.setdefault(key, {}).update({name: line[name] for name in names})
    return found
