"""Where a value lies along a chart, in per cent of its width: charts fit any window, and their text does not shrink."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from synthmill.pages.numerals import show

_STEPS = (1, 2, 5, 10)
_TICKS = 4
# Where the largest value exceeds this and none exceeds 1, the values are shares and the axis ends at 1.
_LARGE_SHARE = 0.3


@dataclasses.dataclass(frozen=True)
class Tick:
    """A mark on an axis.

    Attributes:
        place: in per cent of the axis.
        text: the value there.
    """

    place: float
    text: str


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of an axis.

    Attributes:
        start: in per cent of the axis.
        width: likewise.
    """

    start: float
    width: float

    @property
    def end(self) -> float:
        """Where it ends, in per cent of the axis."""
        return round(self.start + self.width, 2)


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: value at its start.
        high: value at its end, above `low`.
        ticks: marks at round values.
    """

    low: float
    high: float
    ticks: Sequence[Tick]

    def place(self, value: float) -> float:
        """Returns where a value lies, in per cent; one beyond an end lies at that end."""
        return _per_cent(value, self.low, self.high)

    def span(self, low: float, high: float) -> Span:
        """Returns the stretch between two values."""
        start = self.place(low)
        return Span(start, round(self.place(high) - start, 2))


def zoomed_axis(values: Iterable[float]) -> Axis:
    """Returns an axis that shows small differences between the values."""
    values = tuple(values)
    return _round_axis(min(values), max(values))


def whole_axis(values: Iterable[float]) -> Axis:
    """Returns an axis that has 0 on it; for shares from 0 to 1, unless all of them are small."""
    values = (0.0, *values)
    low, high = min(values), max(values)
    are_shares = low == 0 and (high == 0 or _LARGE_SHARE < high <= 1)
    return _round_axis(low, 1.0 if are_shares else high)


def edge_axis(edges: Sequence[float]) -> Axis:
    """Returns an axis that begins with the first edge and ends with the last.

    Args:
        edges: ascending, two or more, equally far apart.
    """
    low, high = edges[0], edges[-1]
    step = _round_step(low, high)
    return Axis(low, high, _ticks(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9), step, low, high))


def _round_axis(low: float, high: float) -> Axis:
    if low == high:
        room = abs(low) / 10 or 0.5
        low, high = low - room, high + room
    step = _round_step(low, high)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    low, high = first * step, last * step
    return Axis(low, high, _ticks(first, last, step, low, high))


def _round_step(low: float, high: float) -> float:
    rough = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(factor for factor in _STEPS if factor * unit >= rough * (1 - 1e-9)) * unit


def _ticks(first: int, last: int, step: float, low: float, high: float) -> tuple[Tick, ...]:
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    values = [number * step for number in range(first, last + 1)]
    return tuple(Tick(_per_cent(value, low, high), show(value, places)) for value in values)


def _per_cent(value: float, low: float, high: float) -> float:
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)
