"""The course of a run: losses and other figures averaged over equal stretches of steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

_MOST_ROWS = 1000


class History:
    """Collects figures; a run that is resumed has the same history as one that was not.

    A row is a stretch of steps, at first a single one. Where there would be more than 1000 rows, neighbours become
    one, so that a run of any length has 500 to 1000 of them.
    """

    def __init__(self) -> None:
        self._stretch = 1
        # Sum and count by name, and the last step.
        self._rows: list[tuple[int, dict[str, list[float]]]] = []

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Takes in figures of a step, from 0; not every one needs to occur in every step.

        Args:
            step: not before that of an earlier call.
            figures: by name.
        """
        if not self._rows or self._rows[-1][0] // self._stretch != step // self._stretch:
            if len(self._rows) == _MOST_ROWS:
                self._merge()
            if not self._rows or self._rows[-1][0] // self._stretch != step // self._stretch:
                self._rows.append((step, {}))
        self._rows[-1] = (step, _sum(self._rows[-1][1], {name: [value, 1] for name, value in figures.items()}))

    def _merge(self) -> None:
        self._stretch *= 2
        merged: dict[int, tuple[int, dict[str, list[float]]]] = {}
        for step, sums in self._rows:
            place = step // self._stretch
            merged[place] = (step, _sum(merged[place][1] if place in merged else {}, sums))
        self._rows = list(merged.values())

    @property
    def last(self) -> dict[str, float]:
        """The last row without its step; empty at the start."""
        return {name: value for name, value in (self.rows() or [{}])[-1].items() if name != "step"}

    def rows(self) -> list[dict[str, float]]:
        """Returns the rows: the last step of each, from 1, and the means of its figures."""
        return [
            {"step": step + 1, **{name: total / count for name, (total, count) in sums.items()}}
            for step, sums in self._rows
        ]

    def state(self) -> dict[str, Any]:
        """Returns everything, as JSON."""
        return {"stretch": self._stretch, "rows": self._rows}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""
        self._stretch, self._rows = state["stretch"], [(step, dict(sums)) for step, sums in state["rows"]]

    def to_csv(self) -> str:
        """Returns a table with a column per figure."""
        rows = self.rows()
        stream = io.StringIO()
        writer = csv.DictWriter(
            stream, list(dict.fromkeys(name for row in rows for name in row)), restval="", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()


def _sum(first: Mapping[str, list[float]], second: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Adds sums and counts by name."""
    names = dict.fromkeys([*first, *second])
    nothing = [0.0, 0]
    return {
        name: [one + other for one, other in zip(first.get(name, nothing), second.get(name, nothing), strict=True)]
        for name in names
    }
