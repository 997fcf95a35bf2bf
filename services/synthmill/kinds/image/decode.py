"""Stored pixels to the networks' numbers and back; both ways are torch operations, and the way back is exported."""

from __future__ import annotations

import torch

_HALF_RANGE = 127.5


def to_input(pixels: torch.Tensor) -> torch.Tensor:
    """Turns uint8 (B, H, W, C) into float32 (B, C, H, W) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32) / _HALF_RANGE - 1


def to_pixels(x: torch.Tensor) -> torch.Tensor:
    """Turns (B, C, H, W) into uint8 (B, H, W, C): the nearest level, clipped to [0, 255]."""
    levels = torch.round((x.to(torch.float32) + 1) * _HALF_RANGE).clamp(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1)
