"""Differentiable augmentation of what a discriminator sees, real or generated (DiffAugment, arXiv 2006.10738).

Every operation takes images (B, C, H, W) and its own columns of uniform draws (B, K), and works on each image alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

_SHIFT = 0.125
_HOLE = 0.5


def augment(x: torch.Tensor, policy: str, draws: torch.Tensor) -> torch.Tensor:
    """Applies a policy, operation names joined by "+", or "none"; uses up to `DRAWS` columns of the draws."""
    if policy == "none":
        return x
    for name in policy.split("+"):
        operation, columns = _OPERATIONS[name]
        x = operation(x, draws[:, columns])
    return x


def _colour(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    brightness, saturation, contrast = (draw[:, None, None, None] for draw in draws.unbind(1))
    x = x + brightness - 0.5
    mean = x.mean(dim=1, keepdim=True)
    x = mean + (x - mean) * 2 * saturation
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + contrast)


def _translate(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Shifts by whole pixels, at most an eighth of a side; what comes in has the value of black."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device) + _offsets(draws[:, 0], height)  # (B, H)
    columns = torch.arange(width, device=x.device) + _offsets(draws[:, 1], width)  # (B, W)
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    picked = x.gather(2, rows.clamp(0, height - 1)[:, None, :, None].expand_as(x))
    picked = picked.gather(3, columns.clamp(0, width - 1)[:, None, None, :].expand_as(x))
    return torch.where(inside[:, None], picked, -1.0)


def _cut_out(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Greys out a rectangle of half the sides whose middle is anywhere."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device) + 0.5 - draws[:, :1] * height  # (B, H)
    columns = torch.arange(width, device=x.device) + 0.5 - draws[:, 1:] * width  # (B, W)
    hole = (rows.abs() < _HOLE / 2 * height)[:, :, None] & (columns.abs() < _HOLE / 2 * width)[:, None, :]
    return torch.where(hole[:, None], 0.0, x)


def _offsets(draw: torch.Tensor, side: int) -> torch.Tensor:
    """Returns whole numbers of pixels, (B, 1), evenly from [-limit, limit]."""
    limit = max(1, int(side * _SHIFT + 0.5))
    return (draw * (2 * limit + 1)).floor().long()[:, None] - limit


def _within(position: torch.Tensor, side: int) -> torch.Tensor:
    return (position >= 0) & (position < side)


_Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Each with the columns of draws that it alone reads.
_OPERATIONS: dict[str, tuple[_Operation, slice]] = {
    "colour": (_colour, slice(0, 3)),
    "translation": (_translate, slice(3, 5)),
    "cutout": (_cut_out, slice(5, 7)),
}

DRAWS = 7
