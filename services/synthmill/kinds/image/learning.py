"""The learning side of the image kind."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from synthmill.kinds.base import Learning, Schema, load_weights
from synthmill.kinds.image import augment, decode, pruning
from synthmill.kinds.image.codec import COLUMN
from synthmill.kinds.image.hyper_parameters import GanParameters, VaeParameters
from synthmill.kinds.image.levels import level_widths
from synthmill.kinds.image.networks import Discriminator, Encoder, Generator
from synthmill.kinds.image.probe import Probe
from synthmill.kinds.image.schema import shape_of

# Noise of the VAE's Gaussian likelihood, in the networks' units: 32 of 255 levels. Less of it makes reconstructions
# sharper and samples worse, because the codes then fill the prior badly.
_PIXEL_DEVIATION = 0.25


class ImageLearning(Learning):
    """Images as (B, C, H, W) in [-1, 1]."""

    augment_draws = augment.DRAWS

    def to_input(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return decode.to_input(batch[COLUMN])

    def generator(self, schema: Schema, label_count: int, parameters: GanParameters | VaeParameters) -> nn.Module:
        shape = shape_of(schema)
        return Generator(shape, parameters.latent_size, level_widths(*shape[:2], parameters.width), label_count)

    def discriminator(self, schema: Schema, label_count: int, parameters: GanParameters) -> nn.Module:
        shape = shape_of(schema)
        widths = level_widths(*shape[:2], parameters.discriminator_width)
        return Discriminator(shape, widths, label_count, parameters.spectral_norm)

    def encoder(self, schema: Schema, label_count: int, parameters: GanParameters | VaeParameters) -> nn.Module:
        shape = shape_of(schema)
        widths = level_widths(*shape[:2], parameters.encoder_width)
        return Encoder(shape, parameters.latent_size, widths, label_count)

    def reconstruction(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((output - target) ** 2).flatten(1).sum(dim=1) / (2 * _PIXEL_DEVIATION**2)

    def augment(self, x: torch.Tensor, policy: str, draws: torch.Tensor) -> torch.Tensor:
        return augment.augment(x, policy, draws)

    def decode(self, output: torch.Tensor) -> dict[str, torch.Tensor]:
        return {COLUMN: decode.to_pixels(output)}

    def probe(self, schema: Schema, label_count: int) -> nn.Module:
        return Probe(shape_of(schema), label_count)

    def restore_generator(
        self,
        schema: Schema,
        label_count: int,
        parameters: GanParameters | VaeParameters,
        weights: Mapping[str, torch.Tensor],
    ) -> nn.Module:
        shape = shape_of(schema)
        generator = Generator(shape, parameters.latent_size, pruning.widths_of(weights), label_count)
        load_weights(generator, weights)
        return generator.eval()

    def channel_scores(self, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return pruning.channel_scores(weights)

    def keep_channels(
        self, weights: Mapping[str, torch.Tensor], kept: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        return pruning.keep_channels(weights, kept)


LEARNING = ImageLearning()
