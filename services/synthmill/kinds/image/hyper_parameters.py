"""Hyper-parameters of image generators, with defaults that depend on the image's size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from synthmill.kinds.base import HyperParameters, Schema, parameter
from synthmill.kinds.families import AdversarialParameters, VariationalParameters
from synthmill.kinds.image.schema import shape_of
from synthmill.runtime.errors import FailedPrecondition

MIN_SIDE, MAX_SIDE = 8, 64

AUGMENT_POLICIES = ("auto", "none", "translation", "translation+cutout", "colour+translation+cutout")

# Up to this side an image counts as small: one pixel is much of it, and a small network learns it.
_SMALL_SIDE = 16

# From here on a discriminator does not learn its records by heart within the default number of steps.
_MANY_RECORDS = 10_000

_STEPS = "training steps; 0 chooses by the image's size"
_WIDTH = "channels at full resolution, more at lower ones; 0 chooses by the image's size"


@dataclasses.dataclass(frozen=True)
class GanParameters(AdversarialParameters):
    """Hyper-parameters of an image GAN."""

    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    width: int = parameter(0, _WIDTH, minimum=0, maximum=1024)
    spectral_norm: bool = parameter(True, "bound the Lipschitz constant of the discriminator's layers")
    diff_augment: str = parameter(
        "auto",
        "differentiable augmentation of what the discriminator sees; auto chooses by size and number of images",
        choices=AUGMENT_POLICIES,
    )

    def resolve(self, schema: Schema, record_count: int = 0) -> Self:
        small = _is_small(schema)
        # Many records need no augmentation, and on a small image even a shift by one pixel does harm.
        policy = "none" if small or record_count >= _MANY_RECORDS else "translation"
        return dataclasses.replace(
            self,
            steps=self.steps or (4000 if small else 8000),
            width=self.width or 32,
            diff_augment=policy if self.diff_augment == "auto" else self.diff_augment,
        )


@dataclasses.dataclass(frozen=True)
class VaeParameters(VariationalParameters):
    """Hyper-parameters of an image VAE."""

    latent_size: int = parameter(16, "dimensions of the latent vector", minimum=1, maximum=1024)
    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    width: int = parameter(0, _WIDTH, minimum=0, maximum=1024)

    def resolve(self, schema: Schema, record_count: int = 0) -> Self:
        small = _is_small(schema)
        return dataclasses.replace(self, steps=self.steps or (3000 if small else 6000), width=self.width or 32)


FAMILIES: Mapping[str, type[HyperParameters]] = MappingProxyType({"gan": GanParameters, "vae": VaeParameters})


def _is_small(schema: Schema) -> bool:
    """Returns whether images are small.

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
    return max(height, width) <= _SMALL_SIDE
