"""Filters: which of several candidates a sample is, by what its sampler graph holds of each.

Sample i under a filter is the first of `attempts` candidates that passes; if none does, the best of them. Candidate 0
is sample i without a filter. Candidate a is sample i of another seed, the a-th output of SplitMix64 (Steele, Lea and
Flood, OOPSLA 2014) begun at the seed; its label is that of candidate 0. So a filtered sample is a pure function of the
model, the seed, the index, the label and the filter, whatever is computed beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

CONFIDENCE, SCORE = "confidence", "score"
OPINIONS = (CONFIDENCE, SCORE)
"""What a sampler graph may hold of a sample, each an output float32 [N]."""

ATTEMPT, PASSED = "attempt", "passed"
"""Columns of filtered samples: which candidate each is, and whether it passed."""

DEFAULT_ATTEMPTS, MAX_ATTEMPTS = 8, 64

_SEEDS = 1 << 64
_GAMMA = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


@dataclasses.dataclass(frozen=True)
class Filter:
    """What a candidate must reach to be a sample; a bound that is None lets everything pass.

    Attributes:
        min_confidence: least probability that a probe gives to the sample's own label.
        min_score: least score by the critic.
        attempts: most candidates for a sample, 1 to `MAX_ATTEMPTS`.
    """

    min_confidence: float | None = None
    min_score: float | None = None
    attempts: int = DEFAULT_ATTEMPTS

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by opinion."""
        given = {CONFIDENCE: self.min_confidence, SCORE: self.min_score}
        return {name: bound for name, bound in given.items() if bound is not None}

    def passes(self, opinions: Mapping[str, np.ndarray]) -> np.ndarray:
        """Tells which candidates pass, bool (N,).

        Args:
            opinions: float32 (N,) by name; bounds are rounded to float32 before they are compared.
        """
        passed = np.ones(len(next(iter(opinions.values()))), np.bool_)
        for name, bound in self.bounds.items():
            passed &= opinions[name] >= np.float32(bound)
        return passed

    def ranks(self, opinions: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns how good candidates are, float32 (N,), for a filter with a bound: the best has the highest number.

        That is the confidence, or the score where only that is bounded; of equally good candidates the first is best.
        """
        rank = opinions[next(iter(self.bounds))]
        return np.where(np.isnan(rank), np.float32(-np.inf), rank)


def candidate_seed(seed: int, attempt: int) -> int:
    """Returns the seed that a candidate is drawn with, in [0, 2^64).

    Args:
        seed: of the samples, in [0, 2^64).
        attempt: number of the candidate; 0 is the sample without a filter.

    >>> [candidate_seed(1234567, attempt) for attempt in range(3)]
    [1234567, 6457827717110365317, 3203168211198807973]
    """
    if not attempt:
        return seed
    word = (seed + attempt * _GAMMA) % _SEEDS
    for shift, factor in _ROUNDS:
        word = (word ^ word >> shift) * factor % _SEEDS
    return word ^ word >> _LAST_SHIFT
