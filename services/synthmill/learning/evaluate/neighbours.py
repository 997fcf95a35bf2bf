"""Distances between sets of vectors a block at a time: what is nearest, and how far each neighbourhood reaches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import torch

BLOCK = 512
"""Rows whose distances to others are in memory at once."""

# Squared distances below this share of the squared lengths are rounding.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest neighbours of N vectors, the nearest first.

    Attributes:
        distance: Euclidean, float32 (N, K).
        row: which of the others they are, int64 (N, K).
    """

    distance: torch.Tensor
    row: torch.Tensor


def find_nearest(
    x: torch.Tensor, others: Iterable[torch.Tensor], count: int, leave_out: torch.Tensor | None = None
) -> Nearest:
    """Finds the nearest neighbours of vectors among others that need not fit into memory.

    Args:
        x: (N, D).
        others: blocks (B, D) of them, in order.
        count: neighbours of each, K; infinitely far where there are fewer others.
        leave_out: int64 (N,), the position among the others that does not count for each vector.
    """
    distance = torch.full((len(x), count), math.inf, device=x.device)
    row = torch.zeros((len(x), count), dtype=torch.int64, device=x.device)
    first = 0
    for block in others:
        for start in range(0, len(x), BLOCK):
            part = slice(start, start + BLOCK)
            near = _nearest_in(x[part], block, count, None if leave_out is None else leave_out[part] - first)
            joined = torch.cat([distance[part], near.distance], dim=1).topk(count, dim=1, largest=False)
            distance[part] = joined.values
            row[part] = torch.cat([row[part], near.row + first], dim=1).gather(1, joined.indices)
        first += len(block)
    return Nearest(distance, row)


def _nearest_in(x: torch.Tensor, block: torch.Tensor, count: int, leave_out: torch.Tensor | None) -> Nearest:
    squared = squared_distances(x, block)
    if leave_out is not None:
        here = (leave_out >= 0) & (leave_out < len(block))
        squared[here, leave_out[here]] = math.inf
    near = squared.topk(min(count, len(block)), dim=1, largest=False)
    # Products of matrices are quick but leave a copy at a distance; the difference itself does not.
    distance = (x[:, None] - block[near.indices]).norm(dim=2).masked_fill(near.values.isinf(), math.inf)
    order = distance.argsort(dim=1)
    return Nearest(distance.gather(1, order), near.indices.gather(1, order))


def squared_radius(x: torch.Tensor, count: int) -> torch.Tensor:
    """Returns the squared distance of each vector to its so-manieth nearest other one, (N,).

    Args:
        x: (N, D), N at least 2.
        count: which neighbour; the farthest there is if there are fewer.
    """
    # The nearest of all is the vector itself.
    count = min(count + 1, len(x))
    blocks = (squared_distances(block, x) for block in x.split(BLOCK))
    return torch.cat([squared.topk(count, dim=1, largest=False).values[:, -1] for squared in blocks])


def squared_distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Returns squared Euclidean distances, (N, M); zero between vectors that are nearer than rounding can tell."""
    # The farther from the origin, the coarser the result would be.
    centre = y.mean(dim=0)
    x, y = x - centre, y - centre
    lengths = x.square().sum(dim=1, keepdim=True) + y.square().sum(dim=1)
    squared = torch.addmm(lengths, x, y.T, alpha=-2)
    return squared.masked_fill_(squared < _ROUNDING * lengths, 0.0)
