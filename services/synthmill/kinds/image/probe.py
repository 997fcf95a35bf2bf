"""The classifier that the utility of image generators is measured with."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_CHANNELS = (16, 32)
_HIDDEN = 128


class Probe(nn.Module):
    """Two convolutions with a stride of 2 and two dense layers: an image in [-1, 1], (B, C, H, W), to logits.

    Args:
        shape: (height, width, channels) of the image.
        label_count: number of classes.
    """

    def __init__(self, shape: tuple[int, int, int], label_count: int) -> None:
        super().__init__()
        height, width, channels = shape
        self.first = nn.Conv2d(channels, _CHANNELS[0], 3, stride=2, padding=1)
        self.second = nn.Conv2d(*_CHANNELS, 3, stride=2, padding=1)
        # A stride of 2 rounds odd sides up, here twice.
        self.hidden = nn.Linear(_CHANNELS[1] * ((height + 3) // 4) * ((width + 3) // 4), _HIDDEN)
        self.logits = nn.Linear(_HIDDEN, label_count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes x (B, C, H, W); returns (B, label_count)."""
        return self.layers(x)[-1]

    def layers(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Takes x (B, C, H, W); returns what each layer makes of it, the logits last."""
        first = F.relu(self.first(x))
        second = F.relu(self.second(first))
        hidden = F.relu(self.hidden(second.flatten(1)))
        return [first, second, hidden, self.logits(hidden)]
