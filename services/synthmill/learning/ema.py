"""Averaged weights: what is exported is smoother than what is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn

_GAMMA = 16


class Ema:
    """Exponential moving average of a module's parameters (arXiv 1806.04498).

    Attributes:
        module: a copy of the module with the averaged parameters, in evaluation mode; its buffers are the last ones.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self._source, self._decay = source, decay
        self.module = copy.deepcopy(source).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after a step, from 0.

        The average looks back over a share of the steps so far, whatever their number: about the last seventeenth
        (arXiv 2312.02696, section 3.1, gamma of 16). So a run of any length ends with an average that fits it.
        """
        decay = min(self._decay, (1 - 1 / (step + 1)) ** (_GAMMA + 1))
        get_ema_multi_avg_fn(decay)(list(self.module.parameters()), list(self._source.parameters()), None)
        for averaged, last in zip(self.module.buffers(), self._source.buffers(), strict=True):
            averaged.copy_(last)


@torch.no_grad()
def recompute_batch_statistics(module: nn.Module, inputs: Iterable[tuple[torch.Tensor, torch.Tensor | None]]) -> None:
    """Replaces running means and variances, which belong to other weights, by those that the module itself has.

    Args:
        module: takes (z, label); left in evaluation mode.
        inputs: batches; every one counts the same.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    module.train()
    for z, label in inputs:
        module(z, label)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()
