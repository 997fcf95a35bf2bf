"""Values that follow one another, as dots over their numbers and lines between them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence

from synthmill.learning.evaluate.findings import Interval
from synthmill.pages.axis import Axis, Tick, zoomed_axis
from synthmill.pages.numerals import show

HEIGHT = 200
"""Of a curve, in CSS pixels: its width is that of the window."""

_MARGIN_PER_CENT = 6.0
_MOST_MARKS = 20


@dataclasses.dataclass(frozen=True)
class Dot:
    """A value.

    Attributes:
        place: along the curve, in per cent.
        height: from the top, in pixels.
        low: lower end of its interval, likewise; None if it has none.
        high: upper end.
        title: what it is.
    """

    place: float
    height: float
    low: float | None
    high: float | None
    title: str


@dataclasses.dataclass(frozen=True)
class Series:
    """Values of one sort.

    Attributes:
        name: of the sort.
        dots: in order.
        is_joined: whether there are lines between them.
        is_dotted: whether the values are seen as dots.
    """

    name: str
    dots: Sequence[Dot]
    is_joined: bool
    is_dotted: bool


@dataclasses.dataclass(frozen=True)
class Curve:
    """A chart of series.

    Attributes:
        title: what it shows.
        description: what there is to see, in words.
        series: in order.
        levels: marks of values, by their height in pixels from the top.
        zero: height of 0; None if it is not on the chart.
        marks: of the numbers, along the curve.
    """

    title: str
    description: str
    series: Sequence[Series]
    levels: Sequence[Tick]
    zero: float | None
    marks: Sequence[Tick]


def draw_curve(
    title: str,
    marks: Sequence[str],
    series: Mapping[str, Sequence[Interval | None]],
    *,
    joined: Collection[str] = (),
    undotted: Collection[str] = (),
    with_zero: bool = False,
) -> Curve | None:
    """Draws series; None if there is nothing to draw.

    Args:
        title: what is shown.
        marks: names of the numbers, in order.
        series: values by name, as many as there are marks; None where there is none.
        joined: names of the series that have lines between their values.
        undotted: names of those that have nothing but lines.
        with_zero: whether 0 is on the chart in any case.
    """
    values = [each for found in series.values() for each in found if each is not None]
    if not values:
        return None
    axis = zoomed_axis([end for each in values for end in (each.low, each.high)] + ([0.0] if with_zero else []))
    places = _places(len(marks))
    every = math.ceil(len(marks) / _MOST_MARKS)
    return Curve(
        title=title,
        description=" ".join(_describe(name, marks, found) for name, found in series.items() if any(found)),
        series=[
            Series(name, _dots(name, marks, places, found, axis), name in joined, name not in undotted)
            for name, found in series.items()
        ],
        levels=[Tick(_height(tick.place), tick.text) for tick in axis.ticks],
        zero=_height(axis.place(0.0)) if axis.low <= 0 <= axis.high else None,
        marks=[Tick(place, mark) for place, mark in list(zip(places, marks, strict=True))[::every]],
    )


def _places(count: int) -> list[float]:
    if count == 1:
        return [50.0]
    step = (100 - 2 * _MARGIN_PER_CENT) / (count - 1)
    return [round(_MARGIN_PER_CENT + number * step, 2) for number in range(count)]


def _dots(
    name: str, marks: Sequence[str], places: Sequence[float], values: Sequence[Interval | None], axis: Axis
) -> list[Dot]:
    return [
        _dot(f"{mark}: {name} {show(value.value)}", place, value, axis)
        for mark, place, value in zip(marks, places, values, strict=True)
        if value is not None
    ]


def _dot(title: str, place: float, value: Interval, axis: Axis) -> Dot:
    height, low, high = (_height(axis.place(end)) for end in (value.value, value.low, value.high))
    is_wide = value.low < value.high
    return Dot(place, height, low if is_wide else None, high if is_wide else None, title)


def _height(per_cent: float) -> float:
    return round(HEIGHT * (1 - per_cent / 100), 2)


def _describe(name: str, marks: Sequence[str], values: Sequence[Interval | None]) -> str:
    told = [f"{mark} {show(value.value)}" for mark, value in zip(marks, values, strict=True) if value is not None]
    return f"{name}: {', '.join(told)}."
