"""What a classifier has got right: one confusion matrix, and everything that follows from it."""

from __future__ import annotations

import numpy as np


def confuse(truth: np.ndarray, found: np.ndarray, label_count: int) -> np.ndarray:
    """Counts records by their class and the class that they were given, int64 (classes, classes).

    Args:
        truth: class of each record, int64 (N,); the matrix has a row for each.
        found: class that it was given, int64 (N,); the matrix has a column for each.
        label_count: number of classes.
    """
    pairs = np.asarray(truth) * label_count + np.asarray(found)
    return np.bincount(pairs, minlength=label_count**2).reshape(label_count, label_count)


def accuracy(matrix: np.ndarray) -> float:
    """Returns the share of records that were given their class."""
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(matrix: np.ndarray) -> float:
    """Returns the mean over the classes of the harmonic mean of precision and recall.

    Classes without a record do not count: nothing can be said of them but that they were given in error, and that
    lowers the precision of no other.
    """
    tested = matrix.sum(axis=1) > 0
    # 2 P R / (P + R) = 2 hits / (records of the class + records that were given it).
    scores = 2 * np.diag(matrix)[tested] / (matrix.sum(axis=1) + matrix.sum(axis=0))[tested]
    return float(scores.mean())


def recalls(matrix: np.ndarray) -> dict[int, float]:
    """Returns the share of each class's records that were given it, by class; classes without a record are left out."""
    sizes = matrix.sum(axis=1)
    return {int(label): float(matrix[label, label] / sizes[label]) for label in np.flatnonzero(sizes)}
