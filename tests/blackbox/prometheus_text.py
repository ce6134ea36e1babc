"""A strict reader of the Prometheus text format (version 0.0.4), as far as a test needs it."""

import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)",?')
KINDS = ("counter", "gauge", "histogram", "summary", "untyped")


def parse(text):
    """({name: kind}, {(name, ((label, value), ...)): number}); AssertionError where the text is not well formed."""
    kinds, samples = {}, {}
    assert text.endswith("\n"), "the last line must end"
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in KINDS and name not in kinds, line
            kinds[name] = kind
        elif line and not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            name, labels, value = match.groups()
            pairs = tuple(sorted(LABEL.findall(labels or "")))
            assert LABEL.sub("", labels or "") == "", f"bad labels: {line!r}"
            assert (name, pairs) not in samples, f"twice: {line!r}"
            samples[name, pairs] = float(value)
    return kinds, samples


def check_histograms(kinds, samples):
    """Buckets never fall, end with +Inf, and agree with the count."""
    for name in (n for n, kind in kinds.items() if kind == "histogram"):
        series = {}
        for (sample, labels), value in samples.items():
            if sample == name + "_bucket":
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, buckets in series.items():
            counts = [value for _, value in sorted(buckets)]
            assert counts == sorted(counts), f"{name} {labels}: {counts}"
            assert max(bound for bound, _ in buckets) == float("inf"), name
            assert counts[-1] == samples[name + "_count", labels], name
            assert (name + "_sum", labels) in samples, name


def total(samples, name_part, **labels):
    """The sum of all samples whose name holds `name_part` and whose labels hold these values somewhere."""
    wanted = set(labels.values())
    return sum(
        value for (name, pairs), value in samples.items() if name_part in name and wanted <= {text for _, text in pairs}
    )
