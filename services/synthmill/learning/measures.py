"""Distances between sets of records, in the networks' units, whatever the kind."""

from __future__ import annotations

import math

import torch

# Distances are computed a block of rows at a time, to bound memory.
_BLOCK = 512
_BLOCKS_FOR_ERROR = 4


def mean_distance(x: torch.Tensor) -> float:
    """Returns the mean Euclidean distance between two different rows; 0 if there are fewer than two.

    Args:
        x: (N, D).
    """
    return (torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))).item() if len(x) > 1 else 0.0


def nearest_two(x: torch.Tensor, others: torch.Tensor, *, leave_out: torch.Tensor | None = None) -> torch.Tensor:
    """Returns the distances of each row to its nearest and second nearest among others, (N, 2).

    Args:
        x: (N, D).
        others: (M, D), M at least 2, or 3 where one is left out.
        leave_out: int64 (N,), the position among `others` that does not count for each row.
    """
    found = []
    for start in range(0, len(x), _BLOCK):
        distances = torch.cdist(x[start : start + _BLOCK], others)
        if leave_out is not None:
            distances.scatter_(1, leave_out[start : start + _BLOCK, None], math.inf)
        found.append(distances.topk(2, dim=1, largest=False).values)
    return torch.cat(found)


def fidelity(samples: torch.Tensor, real: torch.Tensor) -> tuple[float, float]:
    """Returns one minus the energy distance as a share of the real rows' spread, and its standard error.

    The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| is zero exactly if both have the same distribution (Szekely
    and Rizzo 2013, doi 10.1016/j.jspi.2013.03.018, equation 1.1).

    Args:
        samples: (N, D).
        real: (M, D).
    """
    values = []
    blocks = zip(samples.chunk(_BLOCKS_FOR_ERROR), real.chunk(_BLOCKS_FOR_ERROR), strict=False)
    for one, other in blocks:
        spread = mean_distance(other)
        energy = 2 * torch.cdist(one, other).mean().item() - mean_distance(one) - spread
        values.append(1.0 - energy / spread if spread else 0.0)
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))
