"""Hyper-parameters of image generators, with defaults that depend on the image's size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from synthmill.kinds.base import HyperParameters, Schema, parameter
from synthmill.kinds.families import AdversarialParameters, VariationalParameters
from synthmill.kinds.image.schema import shape_of
from synthmill.runtime.errors import FailedPrecondition

MIN_SIDE, MAX_SIDE = 8, 64

AUGMENT_POLICIES = ("none", "translation", "translation+cutout", "colour+translation+cutout")

_STEPS = "training steps; 0 chooses by the image's size"
_WIDTH = "channels at the generator's full resolution, twice as many at each halving; 0 chooses by the image's size"


@dataclasses.dataclass(frozen=True)
class GanParameters(AdversarialParameters):
    """Hyper-parameters of an image GAN."""

    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    width: int = parameter(0, _WIDTH, minimum=0, maximum=1024)
    spectral_norm: bool = parameter(True, "bound the Lipschitz constant of the discriminator's layers")
    diff_augment: str = parameter(
        "translation", "differentiable augmentation of what the discriminator sees", choices=AUGMENT_POLICIES
    )

    def resolve(self, schema: Schema) -> GanParameters:
        return _fill_in(self, schema, steps_small=4000, steps_large=8000)


@dataclasses.dataclass(frozen=True)
class VaeParameters(VariationalParameters):
    """Hyper-parameters of an image VAE."""

    latent_size: int = parameter(16, "dimensions of the latent vector", minimum=1, maximum=1024)
    steps: int = parameter(0, _STEPS, minimum=0, maximum=100_000_000)
    width: int = parameter(0, _WIDTH, minimum=0, maximum=1024)

    def resolve(self, schema: Schema) -> VaeParameters:
        return _fill_in(self, schema, steps_small=3000, steps_large=6000)


FAMILIES: Mapping[str, type[HyperParameters]] = MappingProxyType({"gan": GanParameters, "vae": VaeParameters})


def _fill_in(parameters, schema, *, steps_small, steps_large):
    height, width, _ = shape_of(schema)
    if not MIN_SIDE <= min(height, width) <= max(height, width) <= MAX_SIDE:
        raise FailedPrecondition(
            f"images of {height} x {width} cannot be trained on, allowed: sides of {MIN_SIDE} to {MAX_SIDE} pixels",
            field="schema",
            value=f"{height} x {width}",
            allowed=f"sides of {MIN_SIDE} to {MAX_SIDE} pixels",
        )
    small = max(height, width) <= 16
    return dataclasses.replace(
        parameters,
        steps=parameters.steps or (steps_small if small else steps_large),
        width=parameters.width or (32 if small else 48),
    )
