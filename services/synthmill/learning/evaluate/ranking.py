"""How well a score tells one group from another."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Returns how often a score of the first group is above one of the second, ties counted half: the AUC of the ROC.

    Args:
        positive: scores, (N,).
        negative: scores, (M,).
    """
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    above = ranks.sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def true_positive_rate(positive: np.ndarray, negative: np.ndarray, false_positive_rate: float) -> float:
    """Returns the share of the first group above the lowest threshold that so few of the second are above.

    Args:
        positive: scores, (N,).
        negative: scores, (M,).
        false_positive_rate: most of the second group that may be above the threshold, in [0, 1).
    """
    # A hundredth of 2,900 is 29, though not in binary.
    allowed = math.floor(false_positive_rate * len(negative) + 1e-9)
    threshold = np.sort(negative)[len(negative) - 1 - allowed]
    return float((positive > threshold).mean())
