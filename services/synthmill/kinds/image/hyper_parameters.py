"""Hyper-parameters of image generators, with defaults that depend on the image's size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from synthmill.kinds.base import HyperParameters, Schema, parameter
from synthmill.kinds.families import FEATURE_WEIGHT, RECORDS_PER_DIMENSION, AdversarialParameters, VariationalParameters
from synthmill.kinds.image.schema import shape_of
from synthmill.runtime.errors import FailedPrecondition

MIN_SIDE, MAX_SIDE = 8, 128

AUGMENT_POLICIES = ("auto", "none", "translation", "translation+cutout", "colour+translation+cutout")

# Up to this side an image counts as small: one pixel is much of it, and a small network learns it.
_SMALL_SIDE = 16

# Channels of the finest level, by the longest side up to which they are used.
_WIDTHS = ((64, 32), (MAX_SIDE, 24))

# From here on a discriminator does not learn its records by heart within the default number of steps.
_MANY_RECORDS = 10_000

_STEPS = "training steps; 0 chooses by the image's size"
_WIDTH = "channels of the generator's finest level, more at coarser ones; 0 chooses by the image's size"
_OTHER_WIDTH = "channels of the {}'s finest level; 0 chooses by the width"


def _width(default_of: str = "") -> int:
    description = _OTHER_WIDTH.format(default_of) if default_of else _WIDTH
    return parameter(0, description, minimum=0, maximum=1024)


@dataclasses.dataclass(frozen=True)
class GanParameters(AdversarialParameters):
    """Hyper-parameters of an image GAN."""

    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    width: int = _width()
    discriminator_width: int = _width("discriminator")
    encoder_width: int = _width("encoder")
    spectral_norm: bool = parameter(True, "bound the Lipschitz constant of the discriminator's layers")
    diff_augment: str = parameter(
        "auto",
        "differentiable augmentation of what the discriminator sees; auto chooses by size and number of images",
        choices=AUGMENT_POLICIES,
    )

    def resolve(self, schema: Schema, record_count: int = 0) -> Self:
        size = _size_of(schema)
        # Many records need no augmentation, and on a small image even a shift by one pixel does harm.
        policy = "none" if size.is_small or record_count >= _MANY_RECORDS else "translation"
        width = self.width or size.width
        # A generator learns more from a discriminator that is stronger than itself.
        stronger = width if size.is_small else _half_more(width)
        return dataclasses.replace(
            self,
            steps=self.steps or (4000 if size.is_small else 8000),
            width=width,
            discriminator_width=self.discriminator_width or stronger,
            encoder_width=self.encoder_width or width,
            diff_augment=policy if self.diff_augment == "auto" else self.diff_augment,
        )


@dataclasses.dataclass(frozen=True)
class VaeParameters(VariationalParameters):
    """Hyper-parameters of an image VAE."""

    latent_size: int = parameter(
        0, "dimensions of the latent vector; 0 chooses by the image's size", minimum=0, maximum=1024
    )
    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    learning_rate: float = parameter(2e-3, "Adam's learning rate", above=0.0, maximum=1.0)
    # Less of a pull makes sharper images, and codes whose distribution is harder to fit.
    beta: float = parameter(0.5, "weight of the divergence from the standard normal", minimum=0.0, maximum=1e4)
    # What tells the classes apart is a small part of the pixels.
    feature_weight: float = parameter(2.5, FEATURE_WEIGHT, minimum=0.0, maximum=1e4)
    width: int = _width()
    encoder_width: int = _width("encoder")

    def resolve(self, schema: Schema, record_count: int = 0) -> Self:
        size = _size_of(schema)
        # A decoder has nothing to be balanced against, and is worth more of the cost than its encoder.
        width = size.width if size.is_small else _half_more(size.width)
        latent_size = self.latent_size or (16 if size.is_small else 64)
        return dataclasses.replace(
            self,
            latent_size=latent_size,
            prior_parts=self.prior_parts or max(1, record_count // (RECORDS_PER_DIMENSION * latent_size)),
            steps=self.steps or (3000 if size.is_small else 6000),
            width=self.width or width,
            encoder_width=self.encoder_width or self.width or size.width,
        )


FAMILIES: Mapping[str, type[HyperParameters]] = MappingProxyType({"gan": GanParameters, "vae": VaeParameters})


@dataclasses.dataclass(frozen=True)
class _Size:
    """What the size of the images decides."""

    is_small: bool
    width: int


def _size_of(schema: Schema) -> _Size:
    """Returns what the size of the images decides.

    Raises:
        FailedPrecondition: they are smaller or larger than the networks are made for.
    """
    height, width, _ = shape_of(schema)
    if not MIN_SIDE <= min(height, width) <= max(height, width) <= MAX_SIDE:
        allowed = f"sides of {MIN_SIDE} to {MAX_SIDE} pixels"
        raise FailedPrecondition(
            f"images of {height} x {width} pixels cannot be trained on, allowed: {allowed}",
            field="schema",
            value=f"{height} x {width}",
            allowed=allowed,
        )
    side = max(height, width)
    return _Size(side <= _SMALL_SIDE, next(channels for limit, channels in _WIDTHS if side <= limit))


def _half_more(width: int) -> int:
    return width + width // 2
