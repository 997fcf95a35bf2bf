"""Networks for images of 8 to 64 pixels a side: generator, discriminator, encoder.

All three share one pyramid: sides are halved, rounding up, until the longer one is at most `_BASE_SIDE` pixels, so that
odd sizes need no padding of the data. Channels double with each halving, up to `_WIDEST` times the width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

_BASE_SIDE = 7
_WIDEST = 4
_CLASS_SIZE = 32
_SLOPE = 0.2

Wrap = Callable[[nn.Module], nn.Module]


def pyramid(height: int, width: int) -> list[tuple[int, int]]:
    """Returns the sizes (height, width) from the image's own down to the smallest.

    >>> pyramid(28, 21)
    [(28, 21), (14, 11), (7, 6)]
    """
    sizes = [(height, width)]
    while max(sizes[-1]) > _BASE_SIDE:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def channels_of(level: int, width: int) -> int:
    """Returns the channels of a level of the pyramid; level 0 is the image's own size."""
    return width * min(2**level, _WIDEST)


def level_widths(shape: tuple[int, int, int], width: int) -> list[int]:
    """Returns the channels of each level of the pyramid of an image, from its own size down.

    >>> level_widths((28, 28, 1), 32)
    [32, 64, 128]
    """
    return [channels_of(level, width) for level in range(len(pyramid(*shape[:2])))]


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
        return x * (1 + gain) + bias


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
        widths: channels of each level of the pyramid, the image's own size first.
        label_count: number of classes; 0 makes it unconditional.
    """

    def __init__(self, shape: tuple[int, int, int], latent_size: int, widths: Sequence[int], label_count: int) -> None:
        super().__init__()
        sizes = pyramid(*shape[:2])
        self.base = (widths[-1], *sizes[-1])
        self.classes = nn.Embedding(label_count, _CLASS_SIZE) if label_count else None
        vector_size = latent_size + (_CLASS_SIZE if label_count else 0)
        self.stem = nn.Linear(vector_size, widths[-1] * sizes[-1][0] * sizes[-1][1], bias=False)
        self.stem_norm = ConditionalBatchNorm(widths[-1], label_count)
        self.blocks = nn.ModuleList(
            GrowingBlock(sizes[level], widths[level + 1], widths[level], label_count)
            for level in reversed(range(len(sizes) - 1))
        )
        self.to_image = nn.Conv2d(widths[0], shape[2], 3, padding=1)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes z (B, latent) and label (B,) int64; returns (B, C, H, W)."""
        if self.classes is not None:
            z = torch.cat([z, self.classes(label)], dim=1)
        x = self.stem(z).unflatten(1, self.base)
        x = F.relu(self.stem_norm(x, label))
        for block in self.blocks:
            x = block(x, label)
        return torch.tanh(self.to_image(x))


class Features(nn.Module):
    """An image to a vector of features: the body that discriminator and encoder share.

    Attributes:
        size: length of the vector.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, wrap: Wrap) -> None:
        super().__init__()
        widths = level_widths(shape, width)
        self.size = 2 * widths[-1]
        self.layers = nn.ModuleList([wrap(nn.Conv2d(shape[2], width, 3, padding=1))])
        # With a stride of 2 a kernel of 3 rounds odd sides up, as the pyramid does.
        for channels_in, channels in itertools.pairwise(widths):
            self.layers.append(wrap(nn.Conv2d(channels_in, channels, 3, stride=2, padding=1)))
        self.layers.append(wrap(nn.Conv2d(widths[-1], self.size, 3, stride=2, padding=1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes x (B, C, H, W); returns (B, F, h, w)."""
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _SLOPE)
        return x


class Discriminator(nn.Module):
    """Image and class to a logit, the class by projection (arXiv 1802.05637, figure 1d).

    Args:
        shape: (height, width, channels) of the image.
        width: channels at full size.
        label_count: number of classes; 0 makes it unconditional.
        use_spectral_norm: bound the Lipschitz constant of every layer (arXiv 1802.05957).
    """

    def __init__(self, shape: tuple[int, int, int], width: int, label_count: int, use_spectral_norm: bool) -> None:
        super().__init__()
        wrap: Wrap = spectral_norm if use_spectral_norm else nn.Identity()
        self.features = Features(shape, width, wrap)
        self.logit = wrap(nn.Linear(self.features.size, 1))
        self.classes = wrap(nn.Embedding(label_count, self.features.size)) if label_count else None

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes x (B, C, H, W) and label (B,) int64; returns (B,)."""
        features = self.features(x).sum(dim=(2, 3))  # (B, F)
        logit = self.logit(features)[:, 0]
        if self.classes is not None:
            logit = logit + (self.classes(label) * features).sum(dim=1)
        return logit


class Encoder(nn.Module):
    """Image and class to mean and log variance of the latent vector."""

    def __init__(self, shape: tuple[int, int, int], latent_size: int, width: int, label_count: int) -> None:
        super().__init__()
        self.features = Features(shape, width, nn.Identity())
        height, width_ = pyramid(*shape[:2])[-1]
        flat = self.features.size * ((height + 1) // 2) * ((width_ + 1) // 2)
        self.classes = nn.Embedding(label_count, _CLASS_SIZE) if label_count else None
        self.moments = nn.Linear(flat + (_CLASS_SIZE if label_count else 0), 2 * latent_size)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes x (B, C, H, W) and label (B,) int64; returns (B, latent) twice."""
        features = self.features(x).flatten(1)
        if self.classes is not None:
            features = torch.cat([features, self.classes(label)], dim=1)
        mean, log_variance = self.moments(features).chunk(2, dim=1)
        return mean, log_variance
