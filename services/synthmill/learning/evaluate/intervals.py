"""95 % confidence intervals of what is measured once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy.special import ndtri, stdtrit

from synthmill.learning.evaluate.comparison import deal
from synthmill.learning.evaluate.findings import Interval
from synthmill.learning.task import CheckCallback

ABOUT = (
    "Shares of records: Wilson score intervals, as if each were independent. Distances and neighbourhoods between two "
    "sets: Student's t over 20 random halves of both, which errs on the wide side where both are alike. AUC of real "
    "against synthetic: Student's t over the folds. Medians and attacks: 200 resamplings of the records. All tell what "
    "other samples and other held-out records would change, with the same generator and the same training records."
)
"""How the intervals come about, for reports."""

_LEVEL = 0.95
_HALVINGS = 20
_RESAMPLINGS = 200

Measures = Mapping[str, float]
"""What one pass over records measures, by name."""


def of_share(hits: np.ndarray) -> Interval:
    """Returns how often something is true of records, each independent of the others.

    Wilson's score interval (1927, doi 10.1080/01621459.1927.10502953), which is no point at 0 and 1.

    Args:
        hits: whether it is true, bool (N,), N at least 1.
    """
    count, share = len(hits), float(np.mean(hits))
    square = float(ndtri((1 + _LEVEL) / 2)) ** 2
    centre = (share + square / (2 * count)) / (1 + square / count)
    margin = math.sqrt(square * (share * (1 - share) + square / (4 * count)) / count) / (1 + square / count)
    return Interval(share, min(share, max(0.0, centre - margin)), max(share, min(1.0, centre + margin)))


def over_repetitions(values: Sequence[float]) -> Interval:
    """Returns the mean of what was measured several times, with Student's t interval; a point if only once."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, mean, mean)
    margin = _student(len(values)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - margin, mean + margin)


def over_halves(
    measure: Callable[[torch.Tensor, torch.Tensor], Measures],
    first: tuple[torch.Tensor, np.ndarray],
    second: tuple[torch.Tensor, np.ndarray],
    generator: np.random.Generator,
    check: CheckCallback,
) -> dict[str, Interval]:
    """Measures two sets of vectors against each other.

    A half drawn without repetition varies from draw to draw as much as all of it does from sample to sample: this is
    the delete-d jackknife with d half of the records, whose factor is then 1 (Shao and Wu 1989, doi
    10.1214/aos/1176347263). No record comes twice, which would make it its own nearest neighbour.

    Args:
        measure: of both sets.
        first: vectors (N, D), and the class of each, int64 (N,), of which each half has half.
        second: the same of the other set, (M, D) and (M,).
        generator: draws the halves.
        check: called between measurements; raises to stop.
    """
    check()
    measured = measure(first[0], second[0])
    halves = []
    for _ in range(_HALVINGS):
        check()
        halves.append(measure(_half(*first, generator), _half(*second, generator)))
    found = {}
    for name, value in measured.items():
        margin = _student(_HALVINGS) * float(np.std([half[name] for half in halves], ddof=1))
        found[name] = Interval(value, value - margin, value + margin)
    return found


def by_resampling(
    measure: Callable[..., Measures], groups: Sequence[np.ndarray], generator: np.random.Generator
) -> dict[str, Interval]:
    """Measures groups of numbers, each independent of the others: percentiles of the bootstrap.

    Args:
        measure: takes the groups.
        groups: each (N, ...).
        generator: draws the resamplings.
    """
    measured = measure(*groups)
    drawn = [measure(*(generator.choice(group, len(group)) for group in groups)) for _ in range(_RESAMPLINGS)]
    found = {}
    for name, value in measured.items():
        low, high = np.quantile([each[name] for each in drawn], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        found[name] = Interval(value, min(value, float(low)), max(value, float(high)))
    return found


def within(interval: Interval, least: float, most: float) -> Interval:
    """Cuts an interval to the values that are possible."""
    return Interval(interval.value, max(interval.low, least), min(interval.high, most))


def _student(count: int) -> float:
    return float(stdtrit(count - 1, (1 + _LEVEL) / 2))


def _half(x: torch.Tensor, label: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    return x[torch.from_numpy(deal(label, 2, generator)[0]).to(x.device)]
