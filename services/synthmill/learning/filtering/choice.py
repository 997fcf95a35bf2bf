"""Which candidate each sample is under a filter, and which filter is best; arrays in, arrays out."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from synthmill.runtime.filters import CONFIDENCE, Filter

CONFIDENCES = (None, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Bounds that are tried, from the loosest on; None lets every candidate pass."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a bound was found to be worth.

    Attributes:
        min_confidence: the bound.
        accuracies: of each probe that learned from samples under it, tested on real records.
        passed_first: share of the samples whose first candidate passes.
        passed: share of the samples of which any candidate passes.
    """

    min_confidence: float | None
    accuracies: Sequence[float]
    passed_first: float
    passed: float

    @property
    def accuracy(self) -> float:
        """Mean over the probes."""
        return statistics.fmean(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Of that mean; 0 if it cannot be told from one probe."""
        return _standard_error(self.accuracies)

    def falls_short_of(self, other: Trial) -> bool:
        """Tells whether another bound is better by more than one standard error.

        The probes of both are the same but for the samples that they learn from, so it is the error of the difference.
        """
        differences = [theirs - ours for ours, theirs in zip(self.accuracies, other.accuracies, strict=True)]
        return statistics.fmean(differences) > _standard_error(differences)


def choose_candidates(confidences: np.ndarray, by: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Returns which candidate each sample is, int64 (N,), and whether it passes, bool (N,).

    Args:
        confidences: of the candidates, float32 (attempts, N).
        by: the filter.
    """
    if not by.bounds:
        return np.zeros(confidences.shape[1], np.int64), np.ones(confidences.shape[1], np.bool_)
    opinions = [{CONFIDENCE: row} for row in confidences]
    passes = np.stack([by.passes(each) for each in opinions])
    ranks = np.stack([by.ranks(each) for each in opinions])
    passed = passes.any(axis=0)
    # Of equals, argmax gives the first.
    return np.where(passed, passes.argmax(axis=0), ranks.argmax(axis=0)), passed


def choose_bound(trials: Sequence[Trial]) -> Trial:
    """Returns the loosest bound that does not fall short of the best one.

    So a bound has to be worth what it costs in candidates (the one-standard-error rule, Breiman et al. 1984).

    Args:
        trials: from the loosest bound on.
    """
    best = max(trials, key=lambda trial: trial.accuracy)
    return next(trial for trial in trials if not trial.falls_short_of(best))


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
