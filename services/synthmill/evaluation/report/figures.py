"""Each figure beside what real records get in the samples' place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from synthmill.learning.evaluate.findings import Better, Figure, Findings, Group
from synthmill.pages.axis import whole_axis
from synthmill.pages.charts import Strip, describe_interval, interval_span
from synthmill.pages.numerals import places_for, show_interval


@dataclasses.dataclass(frozen=True)
class FigureRow:
    """A figure as people read it.

    Attributes:
        title: of the figure.
        meaning: what it is.
        better: "higher is better" or "lower is better".
        measured: value and interval, of the samples if there is something beside them.
        real: the same of real records, to as many decimals; None if that has no sense.
        strip: both.
    """

    title: str
    meaning: str
    better: str
    measured: tuple[str, str]
    real: tuple[str, str] | None
    strip: Strip


def draw_figures(findings: Findings, group: Group) -> Sequence[FigureRow]:
    """Lays out the figures of a group."""
    return [_draw_row(figure) for figure in findings.figures if figure.group is group]


def _draw_row(figure: Figure) -> FigureRow:
    intervals = [figure.measured, *([figure.real] if figure.real else [])]
    values = [value for each in intervals for value in (each.low, each.value, each.high)]
    axis, places = whole_axis(values), places_for(*values)
    beside = f" Real records get {describe_interval(figure.real)}." if figure.real else ""
    strip = Strip(
        title=figure.title,
        description=f"{'Samples get' if figure.real else 'Measured:'} {describe_interval(figure.measured)}.{beside}",
        axis=axis,
        dot=axis.place(figure.measured.value),
        interval=interval_span(axis, figure.measured),
        reference=axis.place(figure.real.value) if figure.real else None,
        reference_interval=interval_span(axis, figure.real),
    )
    return FigureRow(
        title=figure.title,
        meaning=figure.meaning,
        better="higher is better" if figure.better is Better.HIGH else "lower is better",
        measured=show_interval(figure.measured, places),
        real=show_interval(figure.real, places) if figure.real else None,
        strip=strip,
    )
