"""What samples teach: each arm beside the best baseline, and how well it recognises the rarest classes."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from synthmill.learning.evaluate.findings import Arm, Findings
from synthmill.pages.axis import Axis, zoomed_axis
from synthmill.pages.charts import Strip, describe_interval, interval_span
from synthmill.pages.numerals import show, show_interval

_TAIL_SHARE = 4
"""One class in so many is in the tail."""


@dataclasses.dataclass(frozen=True)
class Tail:
    """The classes that more data is wanted for.

    Attributes:
        names: of the classes.
        title: what they have in common: "Rarest classes".
        meaning: how they were chosen, in a sentence.
    """

    names: Sequence[str]
    title: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class ArmRow:
    """An arm as people read it.

    Attributes:
        title: of the arm.
        meaning: what the probe learned from.
        synthetic: whether samples are part of it.
        mark: what it is the best of; empty for most.
        macro_f1: value and interval.
        accuracy: value and interval.
        tail: mean recall of the tail's classes; empty if there is no tail.
        records: different records to learn from.
        strip: macro-F1 of the arm and of each run, beside the best baseline.
    """

    title: str
    meaning: str
    synthetic: bool
    mark: str
    macro_f1: tuple[str, str]
    accuracy: tuple[str, str]
    tail: str
    records: str
    strip: Strip


@dataclasses.dataclass(frozen=True)
class Utility:
    """All arms.

    Attributes:
        axis: of macro-F1, for all rows.
        baselines: rows of the arms without samples.
        with_samples: rows of the others.
        tail: None if there are too few classes.
    """

    axis: Axis
    baselines: Sequence[ArmRow]
    with_samples: Sequence[ArmRow]
    tail: Tail | None


def draw_utility(findings: Findings) -> Utility | None:
    """Lays out the arms; None if there are none."""
    arms = findings.arms
    if not arms:
        return None
    tail = find_tail(findings)
    ends = [value for arm in arms for value in (arm.macro_f1.low, arm.macro_f1.high, *arm.runs)]
    # An interval of Student's t may reach beyond what a share can be.
    axis = zoomed_axis(min(1.0, max(0.0, end)) for end in ends)
    baseline, sampled = best_arm(findings, synthetic=False), best_arm(findings, synthetic=True)
    marks = {arm.name: mark for arm, mark in ((baseline, "best baseline"), (sampled, "best with samples")) if arm}
    rows = [_draw_row(arm, axis, baseline, marks.get(arm.name, ""), tail) for arm in arms]
    return Utility(axis, [row for row in rows if not row.synthetic], [row for row in rows if row.synthetic], tail)


def best_arm(findings: Findings, *, synthetic: bool) -> Arm | None:
    """Returns the best arm with, or without, samples: by validation records where there are any, else by test records.

    Of equals it is the first; None if there is no such arm.
    """
    candidates = [arm for arm in findings.arms if arm.synthetic == synthetic]
    return max(candidates, key=lambda arm: (arm.validation_macro_f1 or arm.macro_f1).value, default=None)


def class_sizes(findings: Findings) -> Mapping[str, int]:
    """Returns the number of real records of each class, if the settings tell it of all; else nothing."""
    sizes = findings.settings.get("train_records", {})
    return {name: sizes[name] for name in findings.labels} if sizes.keys() >= set(findings.labels) else {}


def find_tail(findings: Findings) -> Tail | None:
    """Returns a quarter of the classes: the rarest, or the hardest where sizes are unknown or the same."""
    # No test record may be of a class, and then it has no recall.
    labels = [name for name in findings.labels if all(name in arm.recall for arm in findings.arms)]
    if len(labels) < 2:
        return None
    count = math.ceil(len(labels) / _TAIL_SHARE)
    sizes = class_sizes(findings)
    if len(set(sizes.values())) > 1:
        rarest = set(sorted(labels, key=sizes.__getitem__)[:count])
        names = [name for name in labels if name in rarest]
        return Tail(names, _plural("Rarest class", count), "The quarter of the classes with the fewest real records.")
    # The mean over all arms favours none of them, as the worst classes of one arm would favour the others by chance.
    recall = {name: statistics.fmean(arm.recall[name].value for arm in findings.arms) for name in labels}
    hardest = set(sorted(labels, key=recall.__getitem__)[:count])
    names = [name for name in labels if name in hardest]
    meaning = "The quarter of the classes with the lowest recall, taken over all arms."
    return Tail(names, _plural("Hardest class", count), meaning)


def _draw_row(arm: Arm, axis: Axis, baseline: Arm | None, mark: str, tail: Tail | None) -> ArmRow:
    beside = f" The best baseline has {describe_interval(baseline.macro_f1)}." if baseline else ""
    strip = Strip(
        title=f"Macro-F1: {arm.title}",
        description=f"Macro-F1 is {describe_interval(arm.macro_f1)}.{beside}",
        axis=axis,
        dot=axis.place(arm.macro_f1.value),
        interval=interval_span(axis, arm.macro_f1),
        reference=axis.place(baseline.macro_f1.value) if baseline else None,
        runs=[axis.place(run) for run in arm.runs],
    )
    return ArmRow(
        title=arm.title,
        meaning=arm.meaning,
        synthetic=arm.synthetic,
        mark=mark,
        macro_f1=show_interval(arm.macro_f1),
        accuracy=show_interval(arm.accuracy),
        tail=show(statistics.fmean(arm.recall[name].value for name in tail.names), 3) if tail else "",
        records=f"{arm.records:,}" if arm.records else "made anew",
        strip=strip,
    )


def _plural(name: str, count: int) -> str:
    return name if count == 1 else f"{name}es"
