"""The course of a run: losses averaged over equal stretches of steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

_ROWS = 500


class History:
    """Collects losses; a run that is resumed has the same history as one that was not.

    Args:
        total: steps of the run, which about 500 rows are spread over.
    """

    def __init__(self, total: int) -> None:
        self._total, self._stretch = total, max(1, total // _ROWS)
        self._rows: list[dict[str, float]] = []
        self._sums: dict[str, list[float]] = {}

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Takes in the losses of a step, from 0; not every loss needs to occur in every step."""
        for name, value in losses.items():
            total = self._sums.setdefault(name, [0.0, 0])
            total[0] += value
            total[1] += 1
        if (step + 1) % self._stretch == 0 or step + 1 == self._total:
            self._rows.append({"step": step + 1, **{name: total / n for name, (total, n) in self._sums.items()}})
            self._sums = {}

    @property
    def last(self) -> dict[str, float]:
        """The last row without its step; empty at the start."""
        return {name: value for name, value in (self._rows or [{}])[-1].items() if name != "step"}

    def state(self) -> dict[str, Any]:
        """Returns everything, as JSON."""
        return {"rows": self._rows, "sums": self._sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""
        self._rows, self._sums = list(state["rows"]), dict(state["sums"])

    def to_csv(self) -> str:
        """Returns a table with a column per loss."""
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        return stream.getvalue()
