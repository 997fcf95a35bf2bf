"""Label plans: which label each index gets, as a pure function of (plan, seed, index)."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from synthmill.runtime.errors import OutOfRange, ResourceExhausted
from synthmill.runtime.squares import INDEX_LIMIT, WORDS_PER_INDEX, draw_words

MAX_COUNTED = 1 << 27

# The word of an index that no latent vector uses.
_LABEL_WORD = WORDS_PER_INDEX - 1
_WORD_RANGE = 1 << 32
# 2^64 divided by the golden ratio.
_GOLDEN = 0x9E3779B97F4A7C15
_COUNTED_AT_ONCE = 1 << 20


class LabelPlan(ABC):
    """Which label each index gets.

    Attributes:
        classes: number of classes of the model.
        length: indices that have a label are [0, length).
    """

    def __init__(self, classes: int, length: int = INDEX_LIMIT) -> None:
        self.classes = classes
        self.length = length

    @abstractmethod
    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        """Returns the labels of indices, int64 (N,); index is int64 (N,), each in [0, length)."""

    @property
    def is_finite(self) -> bool:
        """Whether the plan ends before the indices do."""
        return self.length < INDEX_LIMIT

    def check_range(self, start: int, end: int) -> None:
        """Makes sure that every index of [start, end) has a label.

        Raises:
            OutOfRange: one has none.
        """
        if end > self.length:
            raise OutOfRange("start_index + count", end, f"up to {self.length}, where the label plan ends")

    def count(self, seed: int, start: int, end: int) -> np.ndarray:
        """Returns how many samples of [start, end) each class gets, int64 (classes,).

        Raises:
            OutOfRange: an index has no label.
            ResourceExhausted: the range is too long to be counted.
        """
        self.check_range(start, end)
        if end - start > MAX_COUNTED:
            raise ResourceExhausted(
                f"count: {end - start} labels of this plan cannot be counted at once, allowed: up to {MAX_COUNTED}",
                field="count",
                value=end - start,
                allowed=f"up to {MAX_COUNTED}",
            )
        total = np.zeros(self.classes, np.int64)
        for first in range(start, end, _COUNTED_AT_ONCE):
            index = np.arange(first, min(first + _COUNTED_AT_ONCE, end), dtype=np.int64)
            total += np.bincount(self.labels(seed, index), minlength=self.classes)
        return total


class InTurn(LabelPlan):
    """Index i has label i modulo the number of classes."""

    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        return index % self.classes

    def count(self, seed: int, start: int, end: int) -> np.ndarray:
        self.check_range(start, end)
        label = np.arange(self.classes, dtype=np.int64)
        return (end - label - 1) // self.classes - (start - label - 1) // self.classes


class OneLabel(LabelPlan):
    """Every index has the same label."""

    def __init__(self, classes: int, label: int) -> None:
        super().__init__(classes)
        self._label = label

    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        return np.full(len(index), self._label, np.int64)

    def count(self, seed: int, start: int, end: int) -> np.ndarray:
        self.check_range(start, end)
        total = np.zeros(self.classes, np.int64)
        total[self._label] = end - start
        return total


class ExactCounts(LabelPlan):
    """Each class gets an exact number of the indices [0, sum), spread evenly over them.

    Index i takes place `i * step mod sum` in a row where each class has its share side by side. With a step coprime to
    the sum every place is taken once, so the numbers are exact; with a step near sum / golden ratio any run of indices
    falls evenly over the row (the three-distance theorem), so the classes are interleaved.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        ends = np.cumsum(counts, dtype=np.int64)
        super().__init__(len(counts), int(ends[-1]))
        self._counts = np.asarray(counts, np.int64)
        self._ends = ends
        self._step = _coprime_step(self.length)

    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        place = _multiply_modulo(index, self._step, self.length)
        return np.searchsorted(self._ends, place, side="right").astype(np.int64)

    def count(self, seed: int, start: int, end: int) -> np.ndarray:
        if (start, end) == (0, self.length):
            return self._counts.copy()
        return super().count(seed, start, end)


class Weighted(LabelPlan):
    """Each index draws its label, with chances in proportion to weights exact to 2^-32."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__(len(weights))
        shares = np.cumsum(weights, dtype=np.float64) / math.fsum(weights)
        self._bounds = np.round(shares * _WORD_RANGE).astype(np.uint64)
        # Whatever rounding did, the last class that can be drawn takes the rest.
        self._bounds[np.flatnonzero(weights)[-1] :] = _WORD_RANGE

    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._bounds, draw_words(seed, index, _LABEL_WORD), side="right").astype(np.int64)


class GivenLabels(LabelPlan):
    """Each of some indices has a label of its own.

    Args:
        classes: number of classes of the model.
        indices: the indices.
        given: their labels, as many.
    """

    def __init__(self, classes: int, indices: Sequence[int], given: Sequence[int]) -> None:
        super().__init__(classes)
        self._indices = np.array(indices, np.int64)
        self._labels = np.array(given, np.int64)

    def labels(self, seed: int, index: np.ndarray) -> np.ndarray:
        # One index may come with several labels: then only the place tells which is meant.
        if np.array_equal(index, self._indices):
            return self._labels
        return self._labels[self._places(index)]

    @functools.cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self._indices, kind="stable")
        return order, self._indices[order]

    def _places(self, index: np.ndarray) -> np.ndarray:
        order, ascending = self._sorted
        first = np.searchsorted(ascending, index, side="left")
        last = np.searchsorted(ascending, index, side="right") - 1
        if (last < first).any() or (self._labels[order[first]] != self._labels[order[last]]).any():
            raise ValueError("these indices have no label of their own, or several")
        return order[first]


def counts_to_balance(class_counts: Sequence[int], target: int) -> list[int]:
    """Returns how many samples each class lacks to have `target` of them; zero means as many as the largest class."""
    target = target or max(class_counts, default=0)
    return [max(0, target - count) for count in class_counts]


def _coprime_step(length: int) -> int:
    step = max(1, length * _GOLDEN >> 64)
    while math.gcd(step, length) > 1:
        step += 1
    return step


def _multiply_modulo(index: np.ndarray, factor: int, modulus: int) -> np.ndarray:
    """Returns index * factor mod modulus, for numbers below 2^48, as int64."""
    index = index.astype(np.uint64)
    wide, step = np.uint64(modulus), np.uint64(factor)
    if modulus <= _WORD_RANGE:
        return (index * step % wide).astype(np.int64)
    # A product of two 48-bit numbers does not fit 64 bits; one with a 16-bit digit does.
    result = np.zeros_like(index)
    for shift in (32, 16, 0):
        digit = index >> np.uint64(shift) & np.uint64(0xFFFF)
        result = ((result << np.uint64(16)) % wide + digit * step % wide) % wide
    return result.astype(np.int64)
