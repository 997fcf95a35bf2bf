"""Tables by class, shaded so that a class that lags is seen at a glance."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from synthmill.evaluation.report.utility import best_arm, class_sizes
from synthmill.learning.evaluate.findings import Arm, Better, Figure, Findings, Interval
from synthmill.pages.axis import Axis
from synthmill.pages.charts import Bar, draw_bar
from synthmill.pages.numerals import places_for, show, show_change, show_interval

_LEAST_RANGE = 0.2
"""Shares that differ by less do not get all the shades there are."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A value of a class.

    Attributes:
        text: the value; empty if there is none.
        detail: its confidence interval; empty if there is none.
        shade: from 0, bad, to 100, good.
        is_best: whether no value in its row is better.
    """

    text: str
    detail: str = ""
    shade: int = 0
    is_best: bool = False


@dataclasses.dataclass(frozen=True)
class Change:
    """How a class fares with samples, beside without.

    Attributes:
        text: the difference, with its sign.
        bar: the same drawn.
    """

    text: str
    bar: Bar


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table by class.

    Attributes:
        title: of the arm or figure.
        note: what else a reader needs to know of it.
        synthetic: whether samples are part of it.
    """

    title: str
    note: str
    synthetic: bool


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """A class.

    Attributes:
        name: of the class.
        size: number of its real records; empty if it is not known.
        cells: one per column.
        change: from the best baseline to the best arm with samples; None if there is no such pair.
    """

    name: str
    size: str
    cells: Sequence[Cell]
    change: Change | None = None


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Values by class.

    Attributes:
        columns: in order.
        rows: classes, in order.
        has_sizes: whether the rows have sizes.
        compared: titles of the best baseline and the best arm with samples; None if rows have no change.
    """

    columns: Sequence[Column]
    rows: Sequence[ClassRow]
    has_sizes: bool
    compared: tuple[str, str] | None = None


def draw_recalls(findings: Findings) -> ClassTable | None:
    """Lays out the recall of each class in each arm; None if there are no arms."""
    arms = sorted(findings.arms, key=lambda arm: arm.synthetic)
    if not arms:
        return None
    baseline, sampled = best_arm(findings, synthetic=False), best_arm(findings, synthetic=True)
    changes = _compare(baseline, sampled, findings.labels) if baseline and sampled else {}
    sizes = class_sizes(findings)
    rows = [
        ClassRow(name, f"{sizes[name]:,}" if sizes else "", _recall_cells(arms, name), changes.get(name))
        for name in findings.labels
    ]
    columns = [Column(arm.title, "", arm.synthetic) for arm in arms]
    compared = (baseline.title, sampled.title) if changes else None
    return ClassTable(columns, rows, bool(sizes), compared)


def draw_figures_by_class(findings: Findings) -> ClassTable | None:
    """Lays out the figures that were measured by class; None if there are none."""
    figures = [figure for figure in findings.figures if figure.by_class]
    if not figures:
        return None
    sizes = class_sizes(findings)
    rows = [
        ClassRow(name, f"{sizes[name]:,}" if sizes else "", [_figure_cell(figure, name) for figure in figures])
        for name in findings.labels
    ]
    columns = [
        Column(figure.title, "higher is better" if figure.better is Better.HIGH else "lower is better", synthetic=True)
        for figure in figures
    ]
    return ClassTable(columns, rows, bool(sizes))


def _recall_cells(arms: Sequence[Arm], name: str) -> list[Cell]:
    """Returns a cell per arm; an empty one where no test record is of the class."""
    everywhere = [recall.value for arm in arms for recall in arm.recall.values()]
    recalls = [arm.recall.get(name) for arm in arms]
    best = max((recall.value for recall in recalls if recall), default=0.0)
    return [_recall_cell(recall, everywhere, best) if recall else Cell("") for recall in recalls]


def _recall_cell(recall: Interval, everywhere: Collection[float], best: float) -> Cell:
    shade = _shade(recall.value, everywhere, Better.HIGH)
    return Cell(show(recall.value, 2), show_interval(recall)[1], shade, recall.value == best)


def _compare(baseline: Arm, sampled: Arm, labels: Sequence[str]) -> Mapping[str, Change]:
    """Returns the change of each class's recall, on one axis for all classes."""
    pairs = {name: (baseline.recall[name], sampled.recall[name]) for name in labels if name in baseline.recall}
    reach = max((abs(after.value - before.value) for before, after in pairs.values()), default=0.0) or 1.0
    axis = Axis(-reach, reach, ())
    return {name: _change(before, after, axis) for name, (before, after) in pairs.items()}


def _change(before: Interval, after: Interval, axis: Axis) -> Change:
    change = after.value - before.value
    # Intervals that do not meet are a stricter test than a difference that is significant at 5 %.
    is_clear = after.low > before.high or after.high < before.low
    return Change(show_change(change, 2), draw_bar(axis, change, is_clear))


def _figure_cell(figure: Figure, name: str) -> Cell:
    if name not in figure.by_class:
        return Cell("")
    values, value = figure.by_class.values(), figure.by_class[name]
    return Cell(show(value, min(3, places_for(*values))), shade=_shade(value, values, figure.better))


def _shade(value: float, values: Collection[float], better: Better) -> int:
    """Returns how good a value is, from 0 for the worst of all to 100 for the best, or for a share that is perfect."""
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        low, high = (min(low, 1 - _LEAST_RANGE), 1.0) if better is Better.HIGH else (0.0, max(high, _LEAST_RANGE))
    if low == high:
        return 100
    shade = round(100 * (value - low) / (high - low))
    return shade if better is Better.HIGH else 100 - shade
