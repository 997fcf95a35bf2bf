"""How much a discriminator's view is augmented: as much as its overfitting asks for (arXiv 2006.06676)."""

from __future__ import annotations

import torch
from torch import nn

# The strength can go from none to all in this share of a run.
_TRAVEL = 0.1
_MEMORY_STEPS = 16


class AugmentStrength(nn.Module):
    """Share of records that are augmented; its state is in buffers, so that checkpoints hold it.

    A discriminator that knows its records by heart gives nearly all of them a logit above zero. The mean sign of the
    logits of real records, r_t of the paper's equation 1, is held at a target: above it the share grows, below it
    falls.

    Args:
        target: mean sign to hold, in (0, 1].

    Attributes:
        share: of the records that are augmented, in [0, 1].
    """

    def __init__(self, target: float) -> None:
        super().__init__()
        self._target = target
        self.register_buffer("share", torch.zeros(()))
        self.register_buffer("mean_sign", torch.zeros(()))
        self.register_buffer("seen_progress", torch.zeros(()))

    @torch.no_grad()
    def follow(self, sign: torch.Tensor, progress: float) -> None:
        """Takes in the mean sign of a step's real logits, over all devices, at a share of the run."""
        self.mean_sign.lerp_(sign, 1 / _MEMORY_STEPS)
        stride = (progress - self.seen_progress) / _TRAVEL
        self.share.add_(stride * torch.sign(self.mean_sign - self._target)).clamp_(0, 1)
        self.seen_progress.fill_(progress)
