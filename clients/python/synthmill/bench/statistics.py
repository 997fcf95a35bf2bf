"""Figures of measurements: percentiles within one, medians and shares over rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

PERCENTILES = (50, 90, 95, 99)

Figures = Mapping[str, Any]
"""Numbers of one measurement by name."""


def latency_figures(latencies_us: Sequence[int] | np.ndarray, prefix: str = "") -> dict[str, float]:
    """Returns percentiles in milliseconds, "p50_ms" and so on, and "max_ms"; nothing if there are no latencies.

    Args:
        latencies_us: latencies in microseconds, in any order.
        prefix: put before each name.
    """
    if len(latencies_us) == 0:
        return {}
    values = np.asarray(latencies_us, np.float64) / 1000
    found = dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))
    return {**{f"{prefix}p{rank}_ms": value for rank, value in found.items()}, f"{prefix}max_ms": float(values.max())}


@dataclasses.dataclass(frozen=True)
class Rounds:
    """What was measured, round by round.

    Attributes:
        figures: of each round, by measurement.
    """

    figures: list[dict[str, Figures]] = dataclasses.field(default_factory=list)

    def measured(self, *prefixes: str) -> list[str]:
        """Returns the measurements that begin with one of the prefixes, or all, in the order of a round."""
        found = dict.fromkeys(key for figures in self.figures for key in figures)
        return [key for key in found if key.startswith(prefixes or "")]

    def values(self, key: str, name: str) -> list[float]:
        """Returns a figure of a measurement in every round that has it."""
        return [found[key][name] for found in self.figures if name in found.get(key, {})]

    def median(self, key: str, name: str) -> float | None:
        """Returns the median of a figure over the rounds; None if no round has it."""
        values = self.values(key, name)
        return median(values) if values else None

    def medians(self, key: str) -> dict[str, float]:
        """Returns the medians of all numbers of a measurement."""
        names = dict.fromkeys(
            name for found in self.figures for name, value in found.get(key, {}).items() if _is_number(value)
        )
        return {name: median(self.values(key, name)) for name in names}

    def ratios(self, key: str, name: str, of: Iterable[str]) -> list[float]:
        """Returns a figure divided by the best of others of the same round, for every round that has both.

        Args:
            key: measurement.
            name: its figure, which the others have too.
            of: measurements to divide by; the greatest counts.
        """
        return [value / best for value, best in self._pairs(key, name, of) if best]

    def excesses(self, key: str, name: str, of: Iterable[str]) -> list[float]:
        """Returns a figure less the greatest of others of the same round; arguments as `ratios`."""
        return [value - best for value, best in self._pairs(key, name, of)]

    def share(self, key: str, name: str, of: Iterable[str]) -> float | None:
        """Returns the median of `ratios`; None if there are none."""
        found = self.ratios(key, name, of)
        return median(found) if found else None

    def _pairs(self, key: str, name: str, of: Iterable[str]) -> list[tuple[float, float]]:
        others, pairs = list(of), []
        for found in self.figures:
            bests = [found[other][name] for other in others if name in found.get(other, {})]
            if bests and name in found.get(key, {}):
                pairs.append((found[key][name], max(bests)))
        return pairs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
