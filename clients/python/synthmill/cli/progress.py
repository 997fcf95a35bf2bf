"""Progress on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import collections
import sys
import time
from types import TracebackType
from typing import Any, Self

_LINE_EVERY_S = 5.0
_WINDOW_S = 30.0


class Meter:
    """Says how fast something goes, by what was done lately."""

    def __init__(self) -> None:
        self._steps: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, done: int, now_s: float) -> None:
        """Takes a step; less than before begins anew.

        Args:
            done: units done; the first that is told was done before.
            now_s: time, in seconds.
        """
        if self._steps and done < self._steps[-1][1]:
            self._steps.clear()
        self._steps.append((now_s, done))
        while len(self._steps) > 2 and now_s - self._steps[1][0] >= _WINDOW_S:
            self._steps.popleft()

    @property
    def rate(self) -> float:
        """Units a second; zero if that is not known yet."""
        if not self._steps:
            return 0.0
        (first_s, first), (last_s, last) = self._steps[0], self._steps[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def left_s(self, total: int) -> float | None:
        """Returns how long the rest will take, in seconds; None if that is not known."""
        if not total or not self.rate:
            return None
        return max(0, total - self._steps[-1][1]) / self.rate


class ProgressDisplay:
    """Shows how far something has come; used in a with block.

    Args:
        title: what it is.
        show_rate: whether to say how many units a second are done.
    """

    def __init__(self, title: str, *, show_rate: bool = False) -> None:
        self._title = title
        self._show_rate = show_rate
        self._bar: Any = None
        self._task: Any = None
        self._meter = Meter()
        self._phase = ""
        self._next_line = 0.0
        self._begun = 0.0

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._next_line = self._begun + _LINE_EVERY_S
        if sys.stderr.isatty():
            self._bar = _make_bar()
            self._task = self._bar.add_task(self._title, total=None, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, unit: str = "", note: str = "", phase: str = "") -> None:
        """Shows a step forward.

        Args:
            done: units done.
            total: units in all; zero if that is not known.
            unit: what is counted.
            note: what else is worth a look, such as a loss.
            phase: what is being done.
        """
        now_s = time.monotonic()
        if phase != self._phase:
            self._phase, self._meter = phase, Meter()
        self._meter.add(done, now_s)
        title = f"{self._title}: {phase}" if phase else self._title
        note = ", ".join(filter(None, [self._pace(total), note]))
        if self._bar is not None:
            self._bar.update(self._task, description=title, completed=done, total=total or None, note=note)
        elif now_s >= self._next_line:
            self._next_line = now_s + _LINE_EVERY_S
            amount = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._print(" ".join(filter(None, [title, amount, unit, note])))

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._print(text)

    def _pace(self, total: int) -> str:
        left_s = self._meter.left_s(total)
        rate = f"{self._meter.rate:,.0f}/s" if self._show_rate and self._meter.rate else ""
        return ", ".join(filter(None, [rate, f"{format_seconds(left_s)} left" if left_s is not None else ""]))

    def _print(self, text: str) -> None:
        print(f"[{time.monotonic() - self._begun:6.1f} s] {text}", file=sys.stderr, flush=True)


def format_seconds(seconds: float) -> str:
    """Returns a time as people write it: 7 s, 3:07, 1:03:07."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"


def format_bytes(size_bytes: int) -> str:
    """Returns a size as people write it: 640 B, 1.3 GB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
