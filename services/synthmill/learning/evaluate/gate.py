"""The gate: thresholds that what was measured must keep for a model to be promoted. Needs no torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synthmill.learning.evaluate.findings import Better, Condition, Figure, Interval
from synthmill.runtime.errors import InvalidField

# However much the seeds spread, a loss of more than two points of macro-F1 is none that may be put down to them.
_MOST_NOISE = 0.02


def _as_is(bound: float, figure: Figure) -> float:
    return bound


def _of_real(bound: float, figure: Figure) -> float:
    return bound * figure.real.value if figure.real else bound


def _beyond_chance(bound: float, figure: Figure) -> float:
    return max(bound, figure.real.high) if figure.real else bound


def _within_noise(bound: float, figure: Figure) -> float:
    return bound - min(_MOST_NOISE, figure.measured.value - figure.measured.low)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """What a figure must keep.

    Attributes:
        figure: its name.
        meaning: how the number is read, in a sentence.
        better: HIGH if the figure must be at least the bound, LOW if at most.
        default: number if none is given.
        resolve: turns the number into a bound of the figure itself.
        of_classes: whether there must be classes for it; without them it is no condition.
    """

    figure: str
    meaning: str
    better: Better
    default: float
    resolve: Callable[[float, Figure], float]
    of_classes: bool = False


_THRESHOLDS = (
    # Below four fifths of what real records teach, samples lack something that real ones have. Published generators of
    # small images lie between 0.75 and 0.98.
    Threshold(
        "tstr_ratio",
        "Least accuracy of probes that learned from samples alone, as a share of those of real records.",
        Better.HIGH,
        0.8,
        _as_is,
        of_classes=True,
    ),
    # Data that neither helps nor hurts may be promoted: it can still be worth having for its privacy or its balance.
    Threshold(
        "lift",
        "Least macro-F1 that the best arm with samples is above the best without; what the spread over the seeds "
        "explains, but 0.02 at most, may be missing.",
        Better.HIGH,
        0.0,
        _within_noise,
        of_classes=True,
    ),
    # Two fifths of the real records without a sample near them: whole groups of records are missing.
    Threshold(
        "coverage",
        "Least coverage, as a share of the coverage of real records by others.",
        Better.HIGH,
        0.6,
        _of_real,
    ),
    # A fifth more wrong labels than the classifier's own errors explain would be taught to whoever uses the samples.
    Threshold(
        "class_agreement",
        "Least share of samples whose label a classifier gives them, as a share of the same of real records.",
        Better.HIGH,
        0.8,
        _of_real,
        of_classes=True,
    ),
    # By construction 0.01 of unseen records count as near copies. Five times that is more than sampling explains from
    # some hundred samples on, and far less than a generator shows that has learned records by heart.
    Threshold(
        "near_copy_share",
        "Largest share of near copies; what real records of the same number show by chance is allowed in any case.",
        Better.LOW,
        0.05,
        _beyond_chance,
    ),
    # The attack is wrong about 0.01 of strangers and finds 0.01 of members by chance. Where it finds five times as
    # many, five of six that it names were among the training records, if there are as many members as strangers.
    Threshold(
        "membership_tpr_1",
        "Largest share of training records that an attack finds at 1 % false alarms; what it finds by chance from real "
        "records of the same number is allowed in any case.",
        Better.LOW,
        0.05,
        _beyond_chance,
    ),
)


def list_thresholds() -> Sequence[Threshold]:
    """Returns all thresholds, in the order of their conditions."""
    return _THRESHOLDS


@dataclasses.dataclass(frozen=True)
class Gate:
    """The numbers of the thresholds.

    Attributes:
        numbers: by figure; None switches a threshold off.
    """

    numbers: Mapping[str, float | None] = dataclasses.field(
        default_factory=lambda: {threshold.figure: threshold.default for threshold in _THRESHOLDS}
    )

    @classmethod
    def given(cls, numbers: Mapping[str, Any]) -> Gate:
        """Returns the gate with some thresholds changed.

        Args:
            numbers: by figure, read as the default is; None switches a threshold off.

        Raises:
            InvalidField: no such threshold, or no finite number.
        """
        resolved = dict(cls().numbers)
        for name, number in numbers.items():
            if name not in resolved:
                raise InvalidField(f"thresholds.{name}", number, "only " + ", ".join(resolved))
            resolved[name] = None if number is None else _to_number(name, number)
        return cls(resolved)

    def judge(self, figures: Sequence[Figure], *, classes: bool) -> list[Condition]:
        """Returns a condition for every threshold that is not switched off.

        Args:
            figures: that were measured.
            classes: whether there are classes; without them, what needs them is no condition.
        """
        measured = {figure.name: figure for figure in figures}
        return [
            _judge(threshold, number, measured.get(threshold.figure))
            for threshold in _THRESHOLDS
            if (number := self.numbers[threshold.figure]) is not None and (classes or not threshold.of_classes)
        ]


def _to_number(name: str, number: Any) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise InvalidField(f"thresholds.{name}", number, "a finite number, or nothing to switch it off")
    return float(number)


def _judge(threshold: Threshold, number: float, figure: Figure | None) -> Condition:
    name, better = threshold.figure, threshold.better
    if figure is None:
        # There is no value; the condition shows one that is as bad as can be.
        value = 0.0 if better is Better.HIGH else 1.0
        sentence = f"{name} could not be measured, which counts as failed unless the threshold is switched off"
        return Condition(name, number, better, value, False, sentence)
    bound, value = threshold.resolve(number, figure), figure.measured.value
    passed = value >= bound if better is Better.HIGH else value <= bound
    return Condition(
        name, bound, better, value, passed, _say(name, value, bound) + _explain(number, bound, figure.real)
    )


def _say(name: str, value: float, bound: float) -> str:
    apart = abs(value - bound)
    # As many digits as show a difference; two will do for most.
    digits = max(2, min(6, math.ceil(-math.log10(apart)))) if apart else 2
    if not apart:
        return f"{name} {value:.{digits}f} is just {bound:.{digits}f}"
    side = "above" if value > bound else "below"
    return f"{name} {value:.{digits}f} is {side} {bound:.{digits}f} by {apart:.{digits}f}"


def _explain(number: float, bound: float, real: Interval | None) -> str:
    return f"; real records get {real.value:.2f}" if real and bound != number else ""
