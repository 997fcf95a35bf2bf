"""Which records an evaluation compares: two halves of the real held-out ones, and samples in the same proportions."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np
import torch

from synthmill.kinds.base import Columns, Kind, Schema
from synthmill.learning.data import count_records, load
from synthmill.learning.draws import Stream, derive_sequence
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import FailedPrecondition

LEAST = 10
"""Fewest records on a side that anything can be said of."""

LEAST_OF_CLASS = 20
"""Fewest records of a class that anything is said of it from."""

# Numbers in the records of a side, which are held in memory.
_MOST_NUMBERS = 2**27


class Draw(enum.IntEnum):
    """What random numbers are drawn for; each has its own."""

    SIDES = 0
    CLUSTERS = 1
    SCALE = 2
    HALVES = 3
    FOLDS = 4
    MEMBERS = 5
    MEDIANS = 6


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What all comparisons of an evaluation have in common.

    Attributes:
        kind: of the records.
        schema: the kind's schema of them.
        labels: class names by label; empty without classes.
        seed: of all that is drawn, in [0, 2^64).
        device: where networks and distances are computed.
        most: most records on a side.
    """

    kind: Kind
    schema: Schema
    labels: Sequence[str]
    seed: int
    device: torch.device
    most: int = 5000

    @property
    def numbers(self) -> int:
        """How many numbers there are in a record."""
        return sum(math.prod(shape) for _, shape in self.kind.columns(self.schema).values())

    def generator(self, draw: Draw) -> np.random.Generator:
        """Returns random numbers, the same at every call."""
        return np.random.default_rng(derive_sequence(self.seed, Stream.JUDGING, draw))


@dataclasses.dataclass(frozen=True)
class Sides:
    """What is compared, as many records on each side, with as many of each class.

    Attributes:
        real: held-out records.
        other: other held-out records, which take the samples' place to show how good real records are.
        samples: the samples.
    """

    real: Columns
    other: Columns
    samples: Columns


def draw_sides(comparison: Comparison, held_out: Columns, samples: Columns) -> Sides:
    """Draws the sides of a comparison.

    The classes are as frequent on every side as among the held-out records, however frequent they are among the
    samples: a balanced set of samples is no worse for being balanced. A class that lacks samples is made up for by
    samples of others, so that what is missing shows.

    Raises:
        FailedPrecondition: there are too few records or samples.
    """
    generator = comparison.generator(Draw.SIDES)
    most = min(comparison.most, count_records(samples), _MOST_NUMBERS // comparison.numbers)
    real, other = halve(labels_of(comparison, held_out), most, generator)
    if len(real) < LEAST:
        raise FailedPrecondition(
            f"{count_records(held_out)} held-out records and {count_records(samples)} samples leave {len(real)} on a "
            f"side of a comparison: so few say nothing",
            field="dataset",
            value=len(real),
            allowed=f"at least {2 * LEAST} held-out records and {LEAST} samples",
        )
    alike = draw_like(labels_of(comparison, samples), labels_of(comparison, held_out)[real], generator)
    parts = (held_out, real), (held_out, other), (samples, alike)
    return Sides(*(load(select_columns(comparison, columns), rows) for columns, rows in parts))


def halve(label: np.ndarray, most: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws two disjoint sets of rows with as many of each class, in the proportions of all; int64, ascending.

    Args:
        label: of the records, int64 (N,).
        most: most rows in a set.
        generator: of the draw.
    """
    sizes = np.bincount(label) // 2
    counts = _apportion(sizes, min(most, sizes.sum()))
    rows = generator.permutation(len(label))
    groups = [rows[label[rows] == name] for name in range(len(counts))]
    taken = [group[: 2 * count] for group, count in zip(groups, counts, strict=True)]
    return np.sort(np.concatenate([each[::2] for each in taken])), np.sort(
        np.concatenate([each[1::2] for each in taken])
    )


def draw_like(label: np.ndarray, wanted: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draws rows whose labels are as frequent as wanted; int64, ascending.

    Where a class has too few, rows of other classes make up the number, as far as there are any.

    Args:
        label: of the records, int64 (N,).
        wanted: the labels that the rows are to have, in any order, int64 (M,).
        generator: of the draw.
    """
    rows = generator.permutation(len(label))
    groups = [rows[label[rows] == name][:count] for name, count in enumerate(np.bincount(wanted))]
    fitting = np.concatenate(groups)
    others = rows[~np.isin(rows, fitting)]
    return np.sort(np.concatenate([fitting, others[: len(wanted) - len(fitting)]]))


def deal(label: np.ndarray, hands: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Deals all rows out, each class evenly; sets with the same labels are dealt out to hands with the same labels.

    Dealing without regard to class, one hand would have more of a class where the others have less: what is learned
    from these would be wrong of that one.

    Args:
        label: of the records, int64 (N,).
        hands: how many there are.
        generator: of the order within each class.
    """
    rows = generator.permutation(len(label))
    rows = rows[np.argsort(label[rows], kind="stable")]
    return [rows[hand::hands] for hand in range(hands)]


def labels_of(comparison: Comparison, columns: Columns) -> np.ndarray:
    """Returns the labels of records, int64 (N,); without classes all are of one."""
    return np.asarray(columns[LABEL]) if comparison.labels else np.zeros(count_records(columns), np.int64)


def select_columns(comparison: Comparison, columns: Columns) -> Columns:
    """Returns the kind's columns, and the labels where there are classes."""
    names = [*comparison.kind.columns(comparison.schema), *([LABEL] if comparison.labels else [])]
    return {name: columns[name] for name in names}


def _apportion(sizes: np.ndarray, total: int) -> np.ndarray:
    """Splits a number in the proportion of sizes, none getting more than its size: by largest remainders."""
    exact = sizes * (total / max(sizes.sum(), 1))
    counts = np.floor(exact).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")
    counts[largest[: total - counts.sum()]] += 1
    return counts
