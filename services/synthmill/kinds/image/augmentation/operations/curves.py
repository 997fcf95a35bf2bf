"""Operations that change every level by itself, whatever its channel and place."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Curve, Values

# Levels of eight bits are whole numbers again when they are multiplied.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class GammaParameters:
    """How much."""

    gamma: tuple[float, float] = parameter((0.8, 1.25), "power; above 1 is darker", above=0, maximum=10)


class Gamma(Curve):
    """Raises levels to a power."""

    name = "gamma"
    parameters = GammaParameters

    def bend(self, given: Any, values: Values, levels: np.ndarray) -> np.ndarray:
        return levels ** values["gamma"]


@dataclasses.dataclass(frozen=True)
class PosteriseParameters:
    """How much."""

    bits: tuple[int, int] = parameter((4, 8), "bits of each level that are kept", minimum=1, maximum=8)


class Posterise(Curve):
    """Keeps the upper bits of each level."""

    name = "posterise"
    parameters = PosteriseParameters

    def bend(self, given: Any, values: Values, levels: np.ndarray) -> np.ndarray:
        # Of eight, also where there are sixteen: what is seen must not depend on the depth.
        step = 2 ** (8 - int(values["bits"]))
        return levels if step == 1 else np.floor((levels * 255 + _ROUNDING) / step) * step / 255


@dataclasses.dataclass(frozen=True)
class SolariseParameters:
    """Where it begins."""

    threshold: tuple[float, float] = parameter((0.5, 1.0), "level from which levels turn", minimum=0, maximum=1)


class Solarise(Curve):
    """Inverts the levels from a threshold up."""

    name = "solarise"
    parameters = SolariseParameters

    def bend(self, given: Any, values: Values, levels: np.ndarray) -> np.ndarray:
        # At strength zero, a threshold of 1, white stays too.
        turns = (levels >= values["threshold"]) & (values["threshold"] < 1)
        return np.where(turns, 1 - levels, levels)


OPERATIONS = (Gamma(), Posterise(), Solarise())
