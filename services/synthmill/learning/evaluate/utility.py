"""What samples are worth: arms and figures, from what the probes of every arm got right."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from synthmill.learning.evaluate.arms import REAL, SYNTHETIC, WAYS
from synthmill.learning.evaluate.confusion import accuracy, macro_f1, recalls
from synthmill.learning.evaluate.findings import Arm, Better, Figure, Group, Interval
from synthmill.learning.evaluate.intervals import over_repetitions
from synthmill.learning.evaluate.trials import SAMPLES, TEST, VALIDATION, Outcome, Outcomes

ABOUT = (
    "Arms and utility: Student's t over the seeds, pair by pair where arms are compared. They tell what other seeds "
    "would change, not what other test records would."
)
"""How the intervals of utility come about, for reports."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The best arms, and what they were chosen by.

    Attributes:
        split: real records that they were the best on: "validation", or "test" where there are no others.
        synthetic: name of the best one with samples.
        baseline: name of the best one without.
    """

    split: str
    synthetic: str
    baseline: str


def choose(outcomes: Outcomes) -> Choice | None:
    """Returns the arms with the highest mean macro-F1, on validation records where there are any; the first of equals.

    There is nothing to choose where only arms with samples were tried, or only arms without.
    """
    split = VALIDATION if _are_validated(outcomes) else TEST
    names = {
        synthetic: [way.name for way in WAYS if way.name in outcomes and way.synthetic == synthetic]
        for synthetic in (True, False)
    }
    if not all(names.values()):
        return None
    best = {
        side: max(found, key=lambda name: statistics.fmean(_each(outcomes[name], split, macro_f1)))
        for side, found in names.items()
    }
    return Choice(split, best[True], best[False])


def describe_arms(outcomes: Outcomes, labels: Sequence[str]) -> list[Arm]:
    """Returns what every arm is worth, in the order in which they are shown."""
    validated = _are_validated(outcomes)
    return [
        Arm(
            name=way.name,
            title=way.title,
            meaning=way.meaning,
            synthetic=way.synthetic,
            records=outcomes[way.name][0].records,
            accuracy=over_repetitions(_each(outcomes[way.name], TEST, accuracy)),
            macro_f1=over_repetitions(_each(outcomes[way.name], TEST, macro_f1)),
            recall=_recall(outcomes[way.name], TEST, labels),
            runs=_each(outcomes[way.name], TEST, macro_f1),
            **(_describe_validation(outcomes[way.name], labels) if validated else {}),
        )
        for way in WAYS
        if way.name in outcomes
    ]


def _are_validated(outcomes: Outcomes) -> bool:
    return all(VALIDATION in found[0].matrices for found in outcomes.values())


def _describe_validation(outcomes: Sequence[Outcome], labels: Sequence[str]) -> dict[str, Any]:
    return {
        "validation_macro_f1": over_repetitions(_each(outcomes, VALIDATION, macro_f1)),
        "validation_recall": _recall(outcomes, VALIDATION, labels),
    }


def measure_utility(outcomes: Outcomes, choice: Choice, labels: Sequence[str]) -> list[Figure]:
    """Returns the figures of the group utility.

    The ratio is left out where a probe that learned from real records classifies none of them correctly.

    Args:
        outcomes: of all probes.
        choice: the arms that are compared.
        labels: class names.
    """
    real, synthetic = outcomes[REAL], outcomes[SYNTHETIC]
    tstr, trtr = _each(synthetic, TEST, accuracy), _each(real, TEST, accuracy)
    ceiling = over_repetitions(trtr)
    figures = [
        _figure(
            "tstr",
            "Train on synthetic, test on real",
            "Accuracy on real test records of probes that learned from samples alone, from 0 to 1.",
            over_repetitions(tstr),
            ceiling,
            _means(_recall(synthetic, TEST, labels)),
        ),
        _figure(
            "trtr",
            "Train on real, test on real",
            "Accuracy on real test records of probes that learned from the real training records, from 0 to 1.",
            ceiling,
            by_class=_means(_recall(real, TEST, labels)),
        ),
        _figure(
            "trts",
            "Train on real, test on synthetic",
            "Share of samples that probes of the real training records give their label, from 0 to 1.",
            over_repetitions(_each(real, SAMPLES, accuracy)),
            ceiling,
            _means(_recall(real, SAMPLES, labels)),
        ),
    ]
    if all(trtr):
        ratios = [ours / theirs for ours, theirs in zip(tstr, trtr, strict=True)]
        meaning = "Accuracy of probes that learned from samples, as a share of what real training records reach."
        figures.append(
            _figure(
                "tstr_ratio", "Share of the real utility", meaning, over_repetitions(ratios), Interval(1.0, 1.0, 1.0)
            )
        )
    return [*figures, _lift(outcomes, choice, labels), _lift_over_real(outcomes, choice, labels)]


def _lift(outcomes: Outcomes, choice: Choice, labels: Sequence[str]) -> Figure:
    meaning = (
        f"Macro-F1 of the best arm with samples ({choice.synthetic}) minus that of the best without "
        f"({choice.baseline}), both the best on {choice.split} records; by class the same of recall; from -1 to 1."
    )
    measured = over_repetitions(_gains(outcomes, choice.synthetic, choice.baseline))
    by_class = _recall_gains(outcomes, choice.synthetic, choice.baseline, labels)
    return _figure("lift", "Lift over the best baseline", meaning, measured, by_class=by_class)


def _lift_over_real(outcomes: Outcomes, choice: Choice, labels: Sequence[str]) -> Figure:
    meaning = (
        f"Macro-F1 of the best arm with samples ({choice.synthetic}) minus that of the real training records as they "
        "are; by class the same of recall; from -1 to 1."
    )
    measured = over_repetitions(_gains(outcomes, choice.synthetic, REAL))
    by_class = _recall_gains(outcomes, choice.synthetic, REAL, labels)
    return _figure("lift_over_real", "Lift over the real records", meaning, measured, by_class=by_class)


def _figure(
    name: str,
    title: str,
    meaning: str,
    measured: Interval,
    real: Interval | None = None,
    by_class: dict[str, float] | None = None,
) -> Figure:
    return Figure(name, Group.UTILITY, title, meaning, Better.HIGH, measured, real, by_class or {})


def _each(outcomes: Iterable[Outcome], split: str, measure: Callable[[np.ndarray], float]) -> list[float]:
    return [measure(outcome.matrices[split]) for outcome in outcomes]


def _recall(outcomes: Sequence[Outcome], split: str, labels: Sequence[str]) -> dict[str, Interval]:
    each = [recalls(outcome.matrices[split]) for outcome in outcomes]
    return {labels[label]: over_repetitions([found[label] for found in each]) for label in each[0]}


def _means(intervals: dict[str, Interval]) -> dict[str, float]:
    return {name: interval.value for name, interval in intervals.items()}


def _gains(outcomes: Outcomes, name: str, other: str) -> list[float]:
    """Returns by how much the macro-F1 of one arm is above that of another, seed by seed."""
    pairs = zip(_each(outcomes[name], TEST, macro_f1), _each(outcomes[other], TEST, macro_f1), strict=True)
    return [ours - theirs for ours, theirs in pairs]


def _recall_gains(outcomes: Outcomes, name: str, other: str, labels: Sequence[str]) -> dict[str, float]:
    ours, theirs = (_means(_recall(outcomes[arm], TEST, labels)) for arm in (name, other))
    return {label: ours[label] - theirs[label] for label in ours}
