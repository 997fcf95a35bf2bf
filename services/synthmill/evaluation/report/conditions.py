"""The verdict in a line, and each condition of the gate: measured, bound, and by how much it is kept or missed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from synthmill.learning.evaluate.findings import Better, Condition, Figure, Findings, Interval
from synthmill.pages.axis import Axis, whole_axis
from synthmill.pages.charts import Strip, interval_span, kept_span
from synthmill.pages.numerals import MOST_PLACES, places_apart, show, show_interval


@dataclasses.dataclass(frozen=True)
class ConditionRow:
    """A condition as people read it.

    Attributes:
        title: of the figure.
        passed: whether it holds.
        sentence: the same in words.
        measured: "0.912".
        interval: "0.901 to 0.923"; empty if the figure has none.
        bound: "at least 0.900".
        margin: "kept by 0.012".
        is_close: whether the bound lies within the interval, so that another run might decide otherwise.
        strip: value and bound.
    """

    title: str
    passed: bool
    sentence: str
    measured: str
    interval: str
    bound: str
    margin: str
    is_close: bool
    strip: Strip


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        passed: whether all conditions hold.
        headline: how many do.
        missed: titles of the figures that miss theirs.
        rows: all conditions, in order.
    """

    passed: bool
    headline: str
    missed: Sequence[str]
    rows: Sequence[ConditionRow]


def draw_verdict(findings: Findings) -> Verdict:
    """Puts the gate's decision into words and rows."""
    figures = {figure.name: figure for figure in findings.figures}
    rows = [_draw_row(condition, figures.get(condition.figure)) for condition in findings.conditions]
    missed = [row.title for row in rows if not row.passed]
    return Verdict(findings.passed, _headline(len(rows), len(missed)), missed, rows)


def _headline(count: int, missed: int) -> str:
    if not count:
        return "The gate sets no conditions."
    conditions = "condition" if count == 1 else "conditions"
    if missed:
        return f"{missed} of {count} {conditions} {'is' if missed == 1 else 'are'} missed."
    return "The condition of the gate is kept." if count == 1 else f"All {count} conditions are kept."


def _draw_row(condition: Condition, figure: Figure | None) -> ConditionRow:
    value, bound, better = condition.value, condition.bound, condition.better
    interval = _interval_of(value, figure)
    axis = _axis((0.0, value, interval.low, interval.high), bound)
    title = figure.title if figure else condition.figure.replace("_", " ").capitalize()
    places = places_apart(value, bound)
    return ConditionRow(
        title=title,
        passed=condition.passed,
        sentence=condition.sentence,
        measured=show(value, places),
        interval=show_interval(interval, places)[1],
        bound=f"{'at least' if better is Better.HIGH else 'at most'} {_show_bound(bound)}",
        margin=_margin(condition, places),
        is_close=interval.low < bound < interval.high,
        strip=Strip(
            title=title,
            description=condition.sentence,
            axis=axis,
            dot=axis.place(value),
            interval=interval_span(axis, interval),
            kept=kept_span(axis, bound, better),
        ),
    )


def _axis(values: Sequence[float], bound: float) -> Axis:
    """Returns an axis with room on both sides of the bound: where a condition holds is seen, and where it does not."""
    room = (max(*values, bound) - min(*values, bound)) / 4 or 0.1
    below = [bound - room] if bound <= min(values) else []
    above = [bound + room] if bound >= max(values) else []
    return whole_axis((*values, *below, bound, *above))


def _show_bound(bound: float) -> str:
    """Writes a bound as it was set, which is seldom to as many digits as a measurement."""
    places = next((places for places in range(MOST_PLACES) if round(bound, places) == bound), MOST_PLACES)
    return show(bound, places)


def _margin(condition: Condition, places: int) -> str:
    margin = abs(condition.value - condition.bound)
    outcome = "kept" if condition.passed else "missed"
    return f"{outcome} by {show(margin, places)}" if margin else f"just {outcome}"


def _interval_of(value: float, figure: Figure | None) -> Interval:
    """Returns the figure's interval if it is this value that is bounded, which may as well be an end of it."""
    if figure is not None and figure.measured.value == value:
        return figure.measured
    return Interval(value, value, value)
