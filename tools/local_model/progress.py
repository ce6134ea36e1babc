"""A progress bar over bytes: redrawn in place on a terminal, a line every tenth elsewhere."""

import sys
import time

WIDTH = 30


class Bar:
    """Draws on standard error while its `with` block lasts."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._in_place = sys.stderr.isatty()
        self._tenth = -1
        self._began = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_place:
            print(file=sys.stderr, flush=True)

    def show(self, done: int) -> None:
        done = min(done, self._total)
        if self._first is None:
            self._first = done  # what was there already tells nothing about the speed
        if self._in_place:
            full = WIDTH * done // self._total
            bar = "#" * full + "." * (WIDTH - full)
            print(f"\r  [{bar}] {self._numbers(done)}   ", end="", file=sys.stderr, flush=True)
        elif (tenth := 10 * done // self._total) > self._tenth:
            self._tenth = tenth
            print(f"  {self._numbers(done)}", file=sys.stderr, flush=True)

    def _numbers(self, done: int) -> str:
        seconds = time.monotonic() - self._began
        speed = (done - self._first) / seconds if seconds > 0.5 else 0
        text = f"{100 * done // self._total:3} %  {done / 1e6:.0f} of {self._total / 1e6:.0f} MB"
        if speed > 0:
            text += f"  {speed / 1e6:.0f} MB/s"
            if done < self._total:
                text += f"  {(self._total - done) / speed:.0f} s left"
        return text
