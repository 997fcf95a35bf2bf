"""Which channels an image generator has, what each is worth, and its weights without some of them.

A group is a level of the pyramid: "level_0" is the image's own size. Its channels are made by one layer and its batch
normalisation, and read by one convolution; removing some removes rows there and columns here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from synthmill.runtime.errors import BadData

_STEM, _LAST = "stem.weight", "to_image.weight"
_STEM_NORM = "stem_norm"

Weights = Mapping[str, torch.Tensor]


def widths_of(weights: Weights) -> list[int]:
    """Returns the channels of each level, the image's own size first.

    Raises:
        BadData: these are not the weights of an image generator.
    """
    try:
        return [len(weights[f"{norm}.norm.running_mean"]) for norm in reversed(_norms(weights))]
    except KeyError as error:
        raise BadData(f"the weights do not fit the network: {error} is missing") from None


def channel_scores(weights: Weights) -> dict[str, torch.Tensor]:
    """Returns the worth of each channel by group: the scale that batch normalisation gives it, times what reads it.

    After normalisation a channel has unit variance. So its scale is how strong it is, and the sum of the absolute
    weights that read it is how much of that goes on.
    """
    return {
        group: _scale(weights, norm) * weights[reader].abs().sum(dim=(0, 2, 3))
        for group, norm, reader in zip(_groups(weights), _norms(weights), _readers(weights), strict=True)
    }


def keep_channels(weights: Weights, kept: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the weights without the channels that are not kept.

    Args:
        weights: of a generator.
        kept: positions of channels for every group.
    """
    result = dict(weights)
    for group, norm, reader in zip(_groups(weights), _norms(weights), _readers(weights), strict=True):
        rows = kept[group]
        count = len(weights[f"{norm}.norm.running_mean"])
        for name, tensor in weights.items():
            if name.startswith(f"{norm}.norm.") and tensor.dim() == 1:
                result[name] = tensor[rows]
        gain_bias = f"{norm}.gain_bias.weight"
        if gain_bias in weights:
            result[gain_bias] = weights[gain_bias][:, torch.cat([rows, rows + count])]
        maker = _maker(norm)
        # The stem makes every pixel of a channel with a row of its own.
        pixels = result[maker].unflatten(0, (count, -1))
        result[maker] = pixels[rows].flatten(0, 1)
        result[reader] = result[reader][:, rows]
    return {name: tensor.contiguous() for name, tensor in result.items()}


def _scale(weights: Weights, norm: str) -> torch.Tensor:
    """Returns the scale of each channel: the root of its mean square over the classes, if there are any."""
    if f"{norm}.gain_bias.weight" not in weights:
        return weights[f"{norm}.norm.weight"].abs()
    gain, _ = weights[f"{norm}.gain_bias.weight"].chunk(2, dim=1)
    return (1 + gain).square().mean(dim=0).sqrt()


def _block_count(weights: Weights) -> int:
    return sum(name.startswith("blocks.") and name.endswith(".conv.weight") for name in weights)


def _groups(weights: Weights) -> list[str]:
    return [f"level_{level}" for level in reversed(range(_block_count(weights) + 1))]


def _norms(weights: Weights) -> list[str]:
    """Returns the normalisations in the order of computation, the lowest level first."""
    return [_STEM_NORM, *(f"blocks.{number}.norm" for number in range(_block_count(weights)))]


def _maker(norm: str) -> str:
    return _STEM if norm == _STEM_NORM else norm.removesuffix("norm") + "conv.weight"


def _readers(weights: Weights) -> list[str]:
    return [*(f"blocks.{number}.conv.weight" for number in range(_block_count(weights))), _LAST]
