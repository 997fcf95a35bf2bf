"""Decides how many samples of each class an evaluation draws; pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def plan_samples(class_counts: Sequence[int], samples: int) -> list[int]:
    """Returns the number of samples of each class: its share of the real records, and at least what it lacks of them.

    Args:
        class_counts: real records of each class.
        samples: number of samples to aim at.

    Returns:
        Numbers that come to `samples`, or to more where a class lacks more than its share.
    """
    counts = np.asarray(class_counts, np.int64)
    # Rounded at the ends of the classes' shares, so that what is rounded off one falls to the next.
    ends = np.cumsum(counts) * samples / counts.sum()
    shares = np.diff(np.rint(ends).astype(np.int64), prepend=0)
    return np.maximum(shares, counts.max() - counts).tolist()
