"""Progress on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

_LINE_EVERY_S = 5.0


class ProgressDisplay:
    """Shows how far something has come; used in a with block.

    Args:
        title: what it is.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._task: Any = None
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
        title = f"{self._title}: {phase}" if phase else self._title
        if self._bar is not None:
            self._bar.update(self._task, description=title, completed=done, total=total or None, note=note)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY_S
            amount = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._print(" ".join(filter(None, [title, amount, unit, note])))

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        print(f"[{time.monotonic() - self._begun:6.1f} s] {text}", file=sys.stderr, flush=True)


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
