"""The ways to make training data that are compared: dull ones without samples, and those with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from synthmill.kinds.base import Columns, Kind, Schema
from synthmill.kinds.policies.parsing import Policy
from synthmill.learning.data import Order, count_records, make_order
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.evaluate.smote import interpolate
from synthmill.learning.evaluate.supplies import Augmented, Joined, Mixed
from synthmill.learning.evaluate.task import DEFAULT_SHARE
from synthmill.learning.probing import Supply
from synthmill.learning.task import LABEL, CheckCallback

REAL, SYNTHETIC = "real", "synthetic"

# A round of the order visits each class at most so many times.
_VISITS = 20


@dataclasses.dataclass(frozen=True)
class Ingredients:
    """What training data is made of.

    Attributes:
        kind: of the records.
        schema: the kind's schema of them.
        label_count: number of classes.
        real: real training records and labels.
        samples: samples and labels.
        policy: of classic augmentation; None where the kind has none.
        synthetic_share: of samples among the records of each class, where they are mixed with real ones.
    """

    kind: Kind
    schema: Schema
    label_count: int
    real: Columns
    samples: Columns
    policy: Policy | None
    synthetic_share: float = DEFAULT_SHARE


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What one probe learns from.

    Attributes:
        supply: of records.
        records: different ones that there are; 0 if each is made anew whenever it is seen.
        class_weights: what an error in each class counts, float64 (classes,); None counts all alike.
    """

    supply: Supply
    records: int
    class_weights: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to make training data.

    Attributes:
        name: as in `Arm`.
        title: for people.
        meaning: what the probe learns from, in a sentence.
        synthetic: whether samples are part of it.
        prepare: makes the lesson of a seed.
        augments: whether it needs a policy of augmentation.
    """

    name: str
    title: str
    meaning: str
    synthetic: bool
    prepare: Callable[[Ingredients, int, CheckCallback], Lesson]
    augments: bool = False


def _real(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    return _drawn(given, Joined(given.real), seed, "natural")


def _oversampled(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    return _drawn(given, Joined(given.real), seed, "balanced")


def _class_weighted(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    weights = inverse_frequency(np.asarray(given.real[LABEL]), given.label_count)
    return dataclasses.replace(_real(given, seed, check), class_weights=weights)


def _smote(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    made = interpolate(given.kind.learning(), given.real, given.label_count, seed, check)
    return _drawn(given, Joined(given.real, *([made] if made else [])), seed, "balanced")


def _augmented(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    return _changed(given, Joined(given.real), _oversampled(given, seed, check), seed)


def _synthetic(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    return _drawn(given, Joined(given.samples), seed, "natural")


def _real_synthetic(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    records = Joined(given.real, given.samples)
    order = mix_by_class(records.label, count_records(given.real), given.synthetic_share, seed)
    return Lesson(Mixed(records, order), len(records))


def _everything(given: Ingredients, seed: int, check: CheckCallback) -> Lesson:
    return _changed(given, Joined(given.real, given.samples), _real_synthetic(given, seed, check), seed)


def _drawn(given: Ingredients, records: Joined, seed: int, class_weights: str) -> Lesson:
    order = make_order({LABEL: records.label}, seed, given.label_count, class_weights)
    return Lesson(Mixed(records, order), len(records))


def _changed(given: Ingredients, pool: Joined, lesson: Lesson, seed: int) -> Lesson:
    drawing = derive_seed(seed, Stream.BASELINES)
    supply = Augmented(lesson.supply, given.kind, given.schema, given.policy, pool, given.label_count, drawing)
    return Lesson(supply, 0)


def inverse_frequency(label: np.ndarray, label_count: int) -> np.ndarray:
    """Returns what an error in each class counts, float64 (classes,): all classes weigh the same, records 1 on average.

    Args:
        label: of the records, int64 (N,).
        label_count: number of classes; one without records weighs nothing.
    """
    sizes = np.bincount(label, minlength=label_count)
    present = sizes > 0
    return np.where(present, len(label) / (present.sum() * np.maximum(sizes, 1)), 0.0)


def mix_by_class(label: np.ndarray, real_count: int, share: float, seed: int) -> Order:
    """Returns an order in which classes come equally often, and samples are the same share of each class.

    Filling small classes up until all are as large as the largest would make one of 40 real records beside one of 4,000
    consist of samples by 99 hundredths, and the largest of none: its real records would hardly be seen, and how a
    record came about would tell its class. The README has what that cost.

    Args:
        label: of real records and then samples, int64 (N,).
        real_count: how many of them are real.
        share: of samples in each class that has both, in (0, 1).
        seed: of the order.
    """
    part = Fraction(share).limit_denominator(_VISITS)
    groups: list[np.ndarray] = []
    shares: list[int] = []
    for name in np.unique(label):
        rows = np.flatnonzero(label == name)
        sides = [side for side in (rows[rows < real_count], rows[rows >= real_count]) if len(side)]
        groups += sides
        # A class without one of the two is as frequent as the others.
        whole = part.denominator
        shares += [whole - part.numerator, part.numerator] if len(sides) > 1 else [whole]
    return Order(seed, groups, shares)


WAYS: Sequence[Way] = (
    Way(REAL, "Real", "The real training records, each as often as any other.", False, _real),
    Way(
        "oversampled",
        "Real, oversampled",
        "The real training records, classes equally often: the records of small classes are repeated.",
        False,
        _oversampled,
    ),
    Way(
        "class_weighted",
        "Real, class-weighted",
        "The real training records, each as often as any other; an error counts the more, the rarer its class is.",
        False,
        _class_weighted,
    ),
    Way(
        "smote",
        "Real and SMOTE",
        "The real training records, and points between neighbours of a class that make all classes equally large.",
        False,
        _smote,
    ),
    Way(
        "augmented",
        "Real, augmented",
        "The real training records, classes equally often, each changed anew whenever it is seen.",
        False,
        _augmented,
        augments=True,
    ),
    Way(SYNTHETIC, "Synthetic", "The samples alone, each as often as any other.", True, _synthetic),
    Way(
        "real_synthetic",
        "Real and synthetic",
        "Classes equally often, and in each the same share of samples; real records are repeated where they are few.",
        True,
        _real_synthetic,
    ),
    Way(
        "everything",
        "Real and synthetic, augmented",
        "The same mix of real records and samples, each of them changed anew whenever it is seen.",
        True,
        _everything,
        augments=True,
    ),
)
"""All that are compared, in the order in which they are shown."""
