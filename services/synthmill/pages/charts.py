"""Charts as places along an axis, which the templates draw as SVG."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from synthmill.learning.evaluate.findings import Better, Distribution, Interval
from synthmill.pages.axis import Axis, Span, Tick, edge_axis
from synthmill.pages.numerals import show, show_interval

_EVEN = 1e-6
_EDGE_TICKS = 5


@dataclasses.dataclass(frozen=True)
class Strip:
    """One measured value on an axis, with what it is to be compared with.

    Attributes:
        title: what is measured.
        description: what there is to see, in words.
        axis: that it lies on.
        dot: the value.
        interval: its confidence interval; None if it was measured once.
        reference: a value beside it; None if there is none.
        reference_interval: the reference's confidence interval.
        kept: where values hold a condition; None if there is none.
        runs: single measurements.
    """

    title: str
    description: str
    axis: Axis
    dot: float
    interval: Span | None
    reference: float | None = None
    reference_interval: Span | None = None
    kept: Span | None = None
    runs: Sequence[float] = ()


@dataclasses.dataclass(frozen=True)
class Bar:
    """A change on an axis that has 0 on it.

    Attributes:
        span: from 0 to the change.
        zero: where 0 lies.
        is_gain: whether the change is above 0.
        is_clear: whether it is more than chance may make.
    """

    span: Span
    zero: float
    is_gain: bool
    is_clear: bool


@dataclasses.dataclass(frozen=True)
class Outline:
    """One set of records in a histogram.

    Attributes:
        name: of the set.
        path: SVG path over a square of 100 by 100.
    """

    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How several sets of records are distributed.

    Attributes:
        title: of the quantity.
        unit: of it.
        description: what there is to see, in words.
        outlines: one per set.
        ticks: along the quantity.
        top: largest share of the records in a bin, which is the height of the chart.
    """

    title: str
    unit: str
    description: str
    outlines: Sequence[Outline]
    ticks: Sequence[Tick]
    top: str


def interval_span(axis: Axis, interval: Interval | None) -> Span | None:
    """Returns where an interval lies; None if there is none, or no width to it."""
    if interval is None or interval.low == interval.high:
        return None
    return axis.span(interval.low, interval.high)


def kept_span(axis: Axis, bound: float, better: Better) -> Span:
    """Returns where values keep a bound."""
    return axis.span(bound, axis.high) if better is Better.HIGH else axis.span(axis.low, bound)


def draw_bar(axis: Axis, change: float, is_clear: bool) -> Bar:
    """Draws a change from 0."""
    return Bar(axis.span(min(0.0, change), max(0.0, change)), axis.place(0.0), change > 0, is_clear)


def draw_histogram(distribution: Distribution) -> Histogram:
    """Draws the outlines of a distribution; bins that are not equally wide are drawn as if they were, and labelled."""
    edges, shares = distribution.edges, distribution.shares
    top = max((max(each, default=0.0) for each in shares.values()), default=0.0) or 1.0
    return Histogram(
        title=distribution.title,
        unit=distribution.unit,
        description=" ".join(_describe(name, each, edges) for name, each in shares.items()),
        outlines=[Outline(name, _outline(each, top)) for name, each in shares.items()],
        ticks=_edge_ticks(edges),
        top=f"{show(100 * top, 0 if top >= 0.1 else 1)} %",
    )


def describe_interval(interval: Interval) -> str:
    """Says a value and its interval."""
    value, ends = show_interval(interval)
    return f"{value} (95 % confidence interval {ends})" if ends else value


def _describe(name: str, shares: Sequence[float], edges: Sequence[float]) -> str:
    if not shares:
        return f"{name}: no bins."
    fullest = max(range(len(shares)), key=shares.__getitem__)
    low, high = show(edges[fullest]), show(edges[fullest + 1])
    return f"{name}: most records, {show(100 * shares[fullest], 1)} %, lie between {low} and {high}."


def _outline(shares: Sequence[float], top: float) -> str:
    width = 100 / max(1, len(shares))
    steps = [
        f"V{_round(100 - 100 * share / top)}H{_round(width * (number + 1))}" for number, share in enumerate(shares)
    ]
    return f"M0 100{''.join(steps)}V100"


def _edge_ticks(edges: Sequence[float]) -> Sequence[Tick]:
    widths = [high - low for low, high in itertools.pairwise(edges)]
    if max(widths) - min(widths) <= _EVEN * max(widths):
        return edge_axis(edges).ticks
    step = max(1, len(widths) // _EDGE_TICKS)
    numbers = range(0, len(edges), step)
    return [Tick(_round(100 * number / len(widths)), show(edges[number])) for number in numbers]


def _round(number: float) -> float:
    return round(number, 2)
