"""Figures over all images of a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

_LEVELS = np.arange(256)


def statistics(channels: int, batches: Iterable[np.ndarray]) -> dict[str, Any]:
    """Returns mean and standard deviation per channel, in [0, 1].

    Args:
        channels: C.
        batches: uint8 (N, H, W, C) arrays.
    """
    # Counting grey levels is exact for any number of images, where running sums of floats are not.
    histogram = np.zeros((channels, 256), dtype=np.int64)
    for batch in batches:
        for channel in range(channels):
            histogram[channel] += np.bincount(batch[..., channel].ravel(), minlength=256)
    total = histogram.sum(axis=1)
    mean = (histogram @ _LEVELS) / total
    variance = (histogram @ _LEVELS**2) / total - mean**2
    return {"mean": (mean / 255).tolist(), "std": (np.sqrt(np.maximum(variance, 0)) / 255).tolist()}
