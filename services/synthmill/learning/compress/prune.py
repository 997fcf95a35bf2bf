"""Removes the channels of a generator that contribute least."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from synthmill.kinds.base import Learning

# Kernels compute channels in blocks: a few more than such a block cost as much as a whole one.
_BLOCK = 8
_SMALL = 4 * _BLOCK


def choose_channels(scores: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Returns the channels to keep, ascending, by group.

    Args:
        scores: worth of each channel by group.
        share: of the channels of each group that go; what stays is rounded to whole blocks where there are several.
    """
    return {
        group: torch.topk(values, _kept_count(len(values), share)).indices.sort().values
        for group, values in scores.items()
    }


def prune_weights(
    learning: Learning, weights: Mapping[str, torch.Tensor], share: float
) -> tuple[dict[str, torch.Tensor], dict[str, list[int]]]:
    """Removes channels from a generator's weights.

    Args:
        learning: knows the generator.
        weights: of the generator.
        share: of the channels of each group that go.

    Returns:
        The remaining weights, and by group how many channels there were and how many remain.

    Raises:
        FailedPrecondition: channels of these networks cannot be removed.
    """
    scores = learning.channel_scores(weights)
    kept = choose_channels(scores, share)
    counts = {group: [len(values), len(kept[group])] for group, values in scores.items()}
    return learning.keep_channels(weights, kept), counts


def _kept_count(count: int, share: float) -> int:
    block = _BLOCK if count >= _SMALL else 1
    return max(1, round(count * (1 - share) / block)) * block
