"""Tells how a run is going: often enough to watch, seldom enough to cost nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from synthmill.learning.task import Machine, Progress, ProgressCallback

_WINDOW = 20


class Reporter:
    """Passes on losses, speed and pictures at the intervals of a `Machine`.

    Args:
        callback: receives the reports.
        machine: the intervals.
        start: steps done before.
        draw: draws a grid of samples.
    """

    def __init__(self, callback: ProgressCallback, machine: Machine, start: int, draw: Callable[[], bytes]) -> None:
        self._callback, self._machine, self._draw = callback, machine, draw
        now = time.monotonic()
        self._marks = deque([(now, start)], maxlen=_WINDOW)
        self._next_report = now
        self._next_picture = now + machine.picture_interval_s
        self._losses: dict[str, list[float]] = {}
        self._noted: dict[str, float] = {}

    def note(self, figures: Mapping[str, float]) -> None:
        """Takes in figures that stay in all reports until there are newer ones."""
        self._noted |= figures

    def add(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        """Takes in the losses of a step, and reports if it is time to.

        Args:
            step: steps done.
            total: steps in all; 0 while that is not known.
            losses: by name.
        """
        for name, value in losses.items():
            self._losses.setdefault(name, []).append(value)
        now = time.monotonic()
        if now >= self._next_report or step == total:
            self._next_report = now + self._machine.report_interval_s
            self._report(now, step, total)

    def exporting(self, step: int) -> None:
        """Reports that all steps are done, and how many they were."""
        self._callback(Progress("exporting", step, step))

    def _report(self, now: float, step: int, total: int) -> None:
        then, step_then = self._marks[0]
        self._marks.append((now, step))
        rate = (step - step_then) / max(now - then, 1e-9)
        picture = None
        if now >= self._next_picture:
            picture = self._draw()
            self._next_picture = time.monotonic() + self._machine.picture_interval_s
        metrics = {name: sum(values) / len(values) for name, values in self._losses.items()}
        self._losses = {}
        eta_s = max(0, total - step) / rate if rate > 0 else 0.0
        self._callback(Progress("training", step, total, rate, eta_s, {**metrics, **self._noted}, picture))
