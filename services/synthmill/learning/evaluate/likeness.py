"""How like real records samples are: fidelity and coverage, each beside what other real records get."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import torch

from synthmill.kinds.base import Columns
from synthmill.learning.evaluate.comparison import LEAST_OF_CLASS, Comparison, Draw, draw_sides, labels_of
from synthmill.learning.evaluate.discrepancy import frechet_distance, kernel_distance
from synthmill.learning.evaluate.duplicates import find_duplicates
from synthmill.learning.evaluate.features import FeatureExtractor, Seen
from synthmill.learning.evaluate.findings import Better, Figure, Group, Interval
from synthmill.learning.evaluate.intervals import of_share, over_halves, within
from synthmill.learning.evaluate.support import NEIGHBOURS, compare_support
from synthmill.learning.evaluate.two_sample import FOLDS, two_sample_auc
from synthmill.learning.task import LABEL, CheckCallback


@dataclasses.dataclass(frozen=True)
class _About:
    """What a figure is, and the values that it may have."""

    group: Group
    title: str
    meaning: str
    better: Better
    least: float = 0.0
    most: float = 1.0


_ABOUT: Mapping[str, _About] = {
    "frechet_distance": _About(
        Group.FIDELITY,
        "Fréchet distance",
        "Squared Fréchet distance between normal distributions fitted to the features of both sides, from 0 up; grows "
        "as there are fewer records, and has nothing to do with published FIDs, whose features are others.",
        Better.LOW,
        most=math.inf,
    ),
    "kid": _About(
        Group.FIDELITY,
        "Kernel distance (KID)",
        "Unbiased squared maximum mean discrepancy of the features with a cubic kernel: about 0, and often a little "
        "below, if both sides have the same distribution.",
        Better.LOW,
        least=-math.inf,
        most=math.inf,
    ),
    "precision": _About(
        Group.FIDELITY,
        "Precision",
        f"Share of samples nearer to a real record than its {NEIGHBOURS}th nearest other one, in [0, 1].",
        Better.HIGH,
    ),
    "density": _About(
        Group.FIDELITY,
        "Density",
        f"Real records that a sample is nearer to than their {NEIGHBOURS}th nearest other one, divided by "
        f"{NEIGHBOURS}: about 1 for real records, more where samples crowd the middle.",
        Better.HIGH,
        most=math.inf,
    ),
    "class_agreement": _About(
        Group.FIDELITY,
        "Class agreement",
        "Share of samples whose label the classifier that gives the features would give them, in [0, 1].",
        Better.HIGH,
    ),
    "c2st_auc": _About(
        Group.FIDELITY,
        "Real-versus-synthetic AUC",
        f"How well a small classifier tells samples from real records that it has not seen, over {FOLDS} folds: 0.5 if "
        "it cannot, 1 if it always does.",
        Better.LOW,
    ),
    "duplicate_share": _About(
        Group.FIDELITY,
        "Duplicates",
        "Share of samples that are the same as another of them, exactly or nearly, in [0, 1].",
        Better.LOW,
    ),
    "recall": _About(
        Group.COVERAGE,
        "Recall",
        f"Share of real records nearer to a sample than its {NEIGHBOURS}th nearest other sample, in [0, 1].",
        Better.HIGH,
    ),
    "coverage": _About(
        Group.COVERAGE,
        "Coverage",
        f"Share of real records with a sample nearer than their {NEIGHBOURS}th nearest other real record, in [0, 1].",
        Better.HIGH,
    ),
}


@dataclasses.dataclass(frozen=True)
class _Side:
    """One side of a comparison, and what the extractor makes of it."""

    columns: Columns
    label: np.ndarray
    seen: Seen


def measure_likeness(
    comparison: Comparison, extractor: FeatureExtractor, held_out: Columns, samples: Columns, check: CheckCallback
) -> list[Figure]:
    """Compares samples with real records that neither the generator nor the extractor has learned from.

    One half of these is compared with samples, and with the other half, which shows what real records get with the same
    counts. Training records would not do in either place: the extractor knows them better than it knows others.

    Args:
        comparison: kind, schema, labels, seed and device.
        extractor: of features.
        held_out: real records, with labels where there are classes.
        samples: synthetic records, the same.
        check: called between parts; raises to stop.

    Raises:
        FailedPrecondition: there are too few records or samples.
    """
    sides = draw_sides(comparison, held_out, samples)
    real, other, made = (
        _Side(columns, labels_of(comparison, columns), extractor.look(columns, check))
        for columns in (sides.real, sides.other, sides.samples)
    )
    measured, ceiling = (_compare(comparison, real, side, check) for side in (made, other))
    by_class = _by_class(comparison, real, made)
    return [_figure(name, measured[name], ceiling[name], by_class.get(name, {})) for name in _ABOUT if name in measured]


def _compare(comparison: Comparison, real: _Side, side: _Side, check: CheckCallback) -> dict[str, Interval]:
    """Returns all figures of a side, samples or the real records in their place, by name."""
    sets = [(each.seen.features, each.label) for each in (real, side)]
    found = over_halves(_compare_features, *sets, comparison.generator(Draw.HALVES), check)
    found["c2st_auc"] = two_sample_auc(comparison, real.columns, side.columns, check)
    check()
    bare = {name: array for name, array in side.columns.items() if name != LABEL}
    found["duplicate_share"] = of_share(find_duplicates(comparison.kind, bare))
    if comparison.labels:
        found["class_agreement"] = of_share(side.seen.found == side.label)
    return found


def _compare_features(real: torch.Tensor, samples: torch.Tensor) -> dict[str, float]:
    return {
        "frechet_distance": frechet_distance(real, samples),
        "kid": kernel_distance(real, samples),
        **compare_support(real, samples),
    }


def _by_class(comparison: Comparison, real: _Side, made: _Side) -> dict[str, dict[str, float]]:
    """Returns what can be said of each class by name of the figure, then by name of the class."""
    found: dict[str, dict[str, float]] = {}
    for label, name in enumerate(comparison.labels):
        ours, theirs = (np.flatnonzero(side.label == label) for side in (real, made))
        measured = _of_class(real.seen.features[ours], made.seen.features[theirs])
        if len(theirs) >= LEAST_OF_CLASS:
            measured["class_agreement"] = float((made.seen.found[theirs] == label).mean())
        for figure, value in measured.items():
            found.setdefault(figure, {})[name] = value
    return found


def _of_class(real: torch.Tensor, samples: torch.Tensor) -> dict[str, float]:
    """Returns what can be said of a class; of one that samples hardly have, that they do not reach its records."""
    if len(real) < LEAST_OF_CLASS:
        return {}
    measured = compare_support(real, samples) if len(samples) > 1 else {"recall": 0.0, "coverage": 0.0}
    enough = len(samples) >= LEAST_OF_CLASS
    return {name: value for name, value in measured.items() if enough or _ABOUT[name].group is Group.COVERAGE}


def _figure(name: str, measured: Interval, real: Interval, by_class: Mapping[str, float]) -> Figure:
    about = _ABOUT[name]
    cut = [within(each, about.least, about.most) for each in (measured, real)]
    return Figure(name, about.group, about.title, about.meaning, about.better, *cut, by_class)
