"""What a model of the faulty provider does, as its name says it; faulty_provider.py has the list."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What a model's name asks for."""

    fault: str
    calls: float = float("inf")  # how many fail
    length: int = 60
    cut: int | None = None
    gap: float = 0
    delay: float = 0
    limit: int = 0
    retry_after: str | None = None
    retry_after_ms: str | None = None
    retry_date: int | None = None
    flags: frozenset = frozenset()

    @staticmethod
    def named(model):
        fault, *options = model.split("mock-")[-1].partition(".")[0].split("-")
        made = {"fault": fault, "flags": frozenset(options)}
        numbers = {"x": "calls", "n": "length", "c": "cut", "t": "limit"}
        for option in options:
            if option in ("once", "twice"):
                made["calls"] = 1 if option == "once" else 2
            elif match := re.fullmatch(r"(adate|ams|[xnctgda])(\d+)", option):
                letter, number = match[1], int(match[2])
                if letter in numbers:
                    made[numbers[letter]] = number
                elif letter in "gd":
                    made["gap" if letter == "g" else "delay"] = number / 1000
                else:
                    name = {"a": "retry_after", "ams": "retry_after_ms", "adate": "retry_date"}[letter]
                    made[name] = number if letter == "adate" else str(number)
        return Behaviour(**made)
