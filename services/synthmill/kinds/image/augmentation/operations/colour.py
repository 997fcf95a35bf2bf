"""Operations that mix the channels of a pixel linearly.

All are maps of RGB in [0, 1], and levels are cut to the range once, after all that follow each other. A grey image is
taken for one whose three channels are equal, and the luma of the result is kept. Luma is that of ITU-R BT.601.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Colour, Drawn

LUMA = np.array([0.299, 0.587, 0.114])

_TO_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_GREY = np.tile(LUMA, (3, 1))
# Grey, colours, and colours a quarter of a turn on: any hue and saturation is a sum of them.
_PARTS = np.stack(
    [
        _GREY,
        _FROM_YIQ @ np.diag([0, 1, 1]) @ _TO_YIQ,
        _FROM_YIQ @ np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _TO_YIQ,
    ]
).reshape(3, 9)
_ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
_MIDDLE = 0.5


@dataclasses.dataclass(frozen=True)
class FactorParameters:
    """How much."""

    factor: tuple[float, float] = parameter((0.8, 1.2), "1 changes nothing, 0 leaves nothing", minimum=0, maximum=10)


class Brightness(Colour):
    """Multiplies all levels."""

    name = "brightness"
    parameters = FactorParameters

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        return _affine(_scaled(np.eye(3), drawn["factor"]))


class Contrast(Colour):
    """Stretches levels about the middle of the range."""

    name = "contrast"
    parameters = FactorParameters

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        factor = drawn["factor"]
        return _affine(_scaled(np.eye(3), factor), (_MIDDLE * (1 - factor))[:, None])


class Saturation(Colour):
    """Stretches colours about the grey of the same luma."""

    name = "saturation"
    parameters = FactorParameters

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        factor = drawn["factor"]
        return _affine(_scaled(np.eye(3), factor) + _scaled(_GREY, 1 - factor))


@dataclasses.dataclass(frozen=True)
class HueParameters:
    """How far."""

    degrees: tuple[float, float] = parameter((-18.0, 18.0), "angle in the plane of colours", minimum=-180, maximum=180)


class Hue(Colour):
    """Turns colours about the grey axis, in the plane of I and Q of YIQ; luma stays."""

    name = "hue"
    parameters = HueParameters

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        angle = np.radians(drawn["degrees"])
        turn = np.tile(np.eye(3), (count, 1, 1))
        turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
        turn[:, 2, 1] = np.sin(angle)
        turn[:, 1, 2] = -turn[:, 2, 1]
        return _affine(_FROM_YIQ @ turn @ _TO_YIQ)


class Grey(Colour):
    """Gives all channels the luma."""

    name = "grey"

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        return _affine(np.tile(_GREY, (count, 1, 1)))


class Invert(Colour):
    """Turns light into dark and dark into light."""

    name = "invert"

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        return _affine(np.tile(-np.eye(3), (count, 1, 1)), 1.0)


class ChannelShuffle(Colour):
    """Puts the channels into any order, each as often."""

    name = "channel_shuffle"
    extra_draws = 1

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        return {"order": _ORDERS[(self.extra(chances)[:, 0] * len(_ORDERS)).astype(int)]}

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        return _affine(np.eye(3)[drawn["order"]])


@dataclasses.dataclass(frozen=True)
class TintParameters:
    """How much, and with what."""

    strength: tuple[float, float] = parameter((0.05, 0.2), "share of the colour in the result", minimum=0, maximum=1)


class Tint(Colour):
    """Mixes the image with one colour, any."""

    name = "tint"
    parameters = TintParameters
    extra_draws = 3

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        return {**super().draw(given, chances, size), "colour": self.extra(chances)}

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        strength = drawn["strength"]
        return _affine(_scaled(np.eye(3), 1 - strength), strength[:, None] * drawn["colour"])


@dataclasses.dataclass(frozen=True)
class ColourJitterParameters:
    """How much of each."""

    brightness: tuple[float, float] = parameter((0.8, 1.2), "factor of all levels", minimum=0, maximum=10)
    contrast: tuple[float, float] = parameter((0.8, 1.2), "factor about the middle", minimum=0, maximum=10)
    saturation: tuple[float, float] = parameter((0.8, 1.2), "factor about grey", minimum=0, maximum=10)
    hue: tuple[float, float] = parameter((-18.0, 18.0), "angle in degrees", minimum=-180, maximum=180)


class ColourJitter(Colour):
    """Changes brightness, contrast, saturation and hue, in this order."""

    name = "colour_jitter"
    parameters = ColourJitterParameters

    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        angle, contrast, saturation = np.radians(drawn["hue"]), drawn["contrast"], drawn["saturation"]
        # Grey stays grey by all four, so that the parts of the plane of colours need only be weighted.
        parts = np.stack([np.ones(count), saturation * np.cos(angle), saturation * np.sin(angle)], axis=1)
        mixed = (drawn["brightness"] * contrast)[:, None] * parts @ _PARTS
        return _affine(mixed.reshape(count, 3, 3), (_MIDDLE * (1 - contrast))[:, None])


def _scaled(matrix: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return factor[:, None, None] * matrix


def _affine(matrix: np.ndarray, offset: npt.ArrayLike = 0.0) -> np.ndarray:
    mixed = np.zeros((len(matrix), 4, 4))
    mixed[:, :3, :3], mixed[:, :3, 3], mixed[:, 3, 3] = matrix, offset, 1
    return mixed


OPERATIONS = (
    Brightness(),
    Contrast(),
    Saturation(),
    Hue(),
    Grey(),
    Invert(),
    ChannelShuffle(),
    Tint(),
    ColourJitter(),
)
