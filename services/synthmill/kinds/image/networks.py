"""Networks for images of 8 to 128 pixels a side: generator, discriminator, encoder.

All three share one pyramid: sides are halved, rounding up, until the longer one is at most `_BASE_SIDE` pixels, so that
odd sizes need no padding of the data. Most of the cost of a convolution is at the finest level, and most of what it
learns is at the coarse ones. So larger images are folded: four neighbouring pixels become channels of one place
(arXiv 1609.05158), and nothing is computed at full resolution at all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from synthmill.kinds.image.levels import halved, is_folded, levels

_CLASS_SIZE = 32
_SLOPE = 0.2
_FOLD = 2

Wrap = Callable[[nn.Module], nn.Module]


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation with a gain and a bias per class (arXiv 1707.00683)."""

    def __init__(self, channels: int, label_count: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=label_count == 0)
        self.gain_bias = nn.Embedding(label_count, 2 * channels) if label_count else None
        if self.gain_bias is not None:
            nn.init.zeros_(self.gain_bias.weight)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        """Takes x (B, C, H, W) and label (B,) int64."""
        x = self.norm(x)
        if self.gain_bias is None:
            return x
        gain, bias = self.gain_bias(label)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
        return torch.addcmul(bias, x, 1 + gain)


class GrowingBlock(nn.Module):
    """Doubles the sides by repeating pixels, crops to the wanted size, convolves.

    Repeating and convolving leaves no checkerboard, unlike a transposed convolution (Odena et al., Distill 2016).
    """

    def __init__(self, size: tuple[int, int], channels_in: int, channels: int, label_count: int) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.norm = ConditionalBatchNorm(channels, label_count)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        height, width = self.size
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")[:, :, :height, :width]
        return F.relu(self.norm(self.conv(x), label))


class Generator(nn.Module):
    """Latent vector and class to an image in [-1, 1].

    Args:
        shape: (height, width, channels) of the image.
        latent_size: dimensions of the latent vector.
        widths: channels of each of `levels`, the finest first.
        label_count: number of classes; 0 makes it unconditional.
    """

    def __init__(self, shape: tuple[int, int, int], latent_size: int, widths: Sequence[int], label_count: int) -> None:
        super().__init__()
        sizes = levels(*shape[:2])
        self.size, self.folded = shape[:2], is_folded(*shape[:2])
        self.base = (widths[-1], *sizes[-1])
        self.classes = nn.Embedding(label_count, _CLASS_SIZE) if label_count else None
        vector_size = latent_size + (_CLASS_SIZE if label_count else 0)
        self.stem = nn.Linear(vector_size, widths[-1] * sizes[-1][0] * sizes[-1][1], bias=False)
        self.stem_norm = ConditionalBatchNorm(widths[-1], label_count)
        self.blocks = nn.ModuleList(
            GrowingBlock(sizes[level], widths[level + 1], widths[level], label_count)
            for level in reversed(range(len(sizes) - 1))
        )
        self.to_image = nn.Conv2d(widths[0], shape[2] * (_FOLD**2 if self.folded else 1), 3, padding=1)
        if self.folded:
            _start_alike(self.to_image)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes z (B, latent) and label (B,) int64; returns (B, C, H, W)."""
        if self.classes is not None:
            z = torch.cat([z, self.classes(label)], dim=1)
        x = self.stem(z).unflatten(1, self.base)
        x = F.relu(self.stem_norm(x, label))
        for block in self.blocks:
            x = block(x, label)
        x = self.to_image(x)
        if self.folded:
            height, width = self.size
            x = F.pixel_shuffle(x, _FOLD)[:, :, :height, :width]
        return torch.tanh(x)


@torch.no_grad()
def _start_alike(conv: nn.Conv2d) -> None:
    """Gives the pixels that one place unfolds into the same weights, so that no pattern is there before it is learned.

    Shuffling then repeats pixels (arXiv 1707.02937).
    """
    for parameter in conv.parameters():
        parameter.copy_(parameter[:: _FOLD**2].repeat_interleave(_FOLD**2, dim=0))


class Features(nn.Module):
    """An image to a vector of features: the body that discriminator and encoder share.

    Attributes:
        shape: (F, h, w) of the features.
    """

    def __init__(self, shape: tuple[int, int, int], widths: Sequence[int], wrap: Wrap) -> None:
        super().__init__()
        sizes = levels(*shape[:2])
        self.padding = (-shape[1] % _FOLD, -shape[0] % _FOLD) if is_folded(*shape[:2]) else None
        channels_in = shape[2] * (_FOLD**2 if self.padding else 1)
        self.layers = nn.ModuleList([wrap(nn.Conv2d(channels_in, widths[0], 3, padding=1))])
        # One level more than the pyramid has: there it has become a vector but for a few places.
        self.shape = (2 * widths[-1], *halved(sizes[-1]))
        for size, (before, after) in zip(sizes, itertools.pairwise([*widths, self.shape[0]]), strict=True):
            self.layers.append(wrap(_halving(size, before, after)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes x (B, C, H, W); returns (B, F, h, w)."""
        if self.padding:
            right, below = self.padding
            x = F.pixel_unshuffle(F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x, _FOLD)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _SLOPE)
        return x


def _halving(size: tuple[int, int], channels_in: int, channels: int) -> nn.Conv2d:
    """Makes a convolution with a stride of 2 that rounds odd sides up, as the pyramid does.

    On even sides its kernel is 4: every pixel then counts as often as any other, and oneDNN is quicker at its gradient.
    """
    even = not (size[0] % 2 or size[1] % 2)
    return nn.Conv2d(channels_in, channels, 4 if even else 3, stride=2, padding=1)


class Discriminator(nn.Module):
    """Image and class to a logit, the class by projection (arXiv 1802.05637, figure 1d).

    Args:
        shape: (height, width, channels) of the image.
        widths: channels of each of `levels`, the finest first.
        label_count: number of classes; 0 makes it unconditional.
        use_spectral_norm: bound the Lipschitz constant of every layer (arXiv 1802.05957).
    """

    def __init__(
        self, shape: tuple[int, int, int], widths: Sequence[int], label_count: int, use_spectral_norm: bool
    ) -> None:
        super().__init__()
        wrap: Wrap = spectral_norm if use_spectral_norm else nn.Identity()
        self.features = Features(shape, widths, wrap)
        self.logit = wrap(nn.Linear(self.features.shape[0], 1))
        self.classes = wrap(nn.Embedding(label_count, self.features.shape[0])) if label_count else None

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes x (B, C, H, W) and label (B,) int64; returns (B,)."""
        features = self.features(x).sum(dim=(2, 3))  # (B, F)
        logit = self.logit(features)[:, 0]
        if self.classes is not None:
            logit = logit + (self.classes(label) * features).sum(dim=1)
        return logit


class Encoder(nn.Module):
    """Image and class to mean and log variance of the latent vector.

    Args:
        shape: (height, width, channels) of the image.
        latent_size: dimensions of the latent vector.
        widths: channels of each of `levels`, the finest first.
        label_count: number of classes; 0 makes it unconditional.
    """

    def __init__(self, shape: tuple[int, int, int], latent_size: int, widths: Sequence[int], label_count: int) -> None:
        super().__init__()
        self.features = Features(shape, widths, nn.Identity())
        self.classes = nn.Embedding(label_count, _CLASS_SIZE) if label_count else None
        flat = math.prod(self.features.shape) + (_CLASS_SIZE if label_count else 0)
        self.moments = nn.Linear(flat, 2 * latent_size)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes x (B, C, H, W) and label (B,) int64; returns (B, latent) twice."""
        features = self.features(x).flatten(1)
        if self.classes is not None:
            features = torch.cat([features, self.classes(label)], dim=1)
        mean, log_variance = self.moments(features).chunk(2, dim=1)
        return mean, log_variance
