"""Operations that smooth an image or sharpen it; beyond its edges they take it to be mirrored."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Drawn, Paint, Values

_BORDER = cv2.BORDER_REFLECT_101
# Places for each pixel of the way of a moving image.
_PLACES = 8


@dataclasses.dataclass(frozen=True)
class GaussianBlurParameters:
    """How much."""

    sigma: tuple[float, float] = parameter((0.1, 2.0), "standard deviation, in pixels", minimum=0, maximum=50)


class GaussianBlur(Paint):
    """Smooths with a Gaussian."""

    name = "gaussian_blur"
    parameters = GaussianBlurParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        return _smooth(image, values["sigma"])


@dataclasses.dataclass(frozen=True)
class MotionBlurParameters:
    """How far."""

    length: tuple[float, float] = parameter((3.0, 9.0), "way of the image, in pixels", minimum=0, maximum=200)


class MotionBlur(Paint):
    """Smears along a straight line, in any direction."""

    name = "motion_blur"
    parameters = MotionBlurParameters
    extra_draws = 1

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        return {**super().draw(given, chances, size), "degrees": 180 * self.extra(chances)[:, 0]}

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        return _filter(image, _line(values["length"], np.radians(values["degrees"])))


@dataclasses.dataclass(frozen=True)
class DefocusBlurParameters:
    """How much."""

    radius: tuple[float, float] = parameter(
        (1.0, 4.0), "radius of what a point becomes, in pixels", minimum=0, maximum=100
    )


class DefocusBlur(Paint):
    """Makes a disc of each point, as a lens does that is out of focus."""

    name = "defocus_blur"
    parameters = DefocusBlurParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        return _filter(image, _disc(values["radius"]))


@dataclasses.dataclass(frozen=True)
class SharpenParameters:
    """How much, and how fine."""

    strength: tuple[float, float] = parameter(
        (0.2, 1.0), "share of the difference from the smoothed image that is added", minimum=0, maximum=10
    )
    sigma: float = parameter(1.0, "standard deviation of the smoothing, in pixels", above=0, maximum=50)


class Sharpen(Paint):
    """Adds what smoothing with a Gaussian would take away (an unsharp mask)."""

    name = "sharpen"
    parameters = SharpenParameters

    def paint(
        self, image: np.ndarray, given: SharpenParameters, values: Values, generator: np.random.Generator
    ) -> np.ndarray:
        strength = float(values["strength"])
        sharp = cv2.addWeighted(image, 1 + strength, _smooth(image, given.sigma), -strength, 0)
        return sharp.reshape(image.shape)


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    if not sigma:
        return image
    return cv2.GaussianBlur(image, (0, 0), float(sigma), borderType=_BORDER).reshape(image.shape)


def _filter(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return image if kernel.size == 1 else cv2.filter2D(image, -1, kernel, borderType=_BORDER).reshape(image.shape)


def _line(length: float, angle: float) -> np.ndarray:
    """Returns what a pixel becomes that moves along a line, in small steps and by bilinear interpolation."""
    if not length:
        return np.ones((1, 1), np.float32)
    way = np.linspace(-length / 2, length / 2, int(np.ceil(length * _PLACES)) + 1)
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    (x, right), (y, down) = (np.divmod(reach + way * step, 1) for step in (np.cos(angle), np.sin(angle)))
    for rows, high in ((0, 1 - down), (1, down)):
        for columns, wide in ((0, 1 - right), (1, right)):
            # At the very end of the line the second of two pixels has no part in it.
            at = (np.minimum(y.astype(int) + rows, 2 * reach), np.minimum(x.astype(int) + columns, 2 * reach))
            np.add.at(kernel, at, high * wide)
    return kernel / kernel.sum()


def _disc(radius: float) -> np.ndarray:
    """Returns a disc whose edge covers pixels in part; below half a pixel it is one pixel."""
    reach = int(np.ceil(radius - 0.5)) if radius > 0.5 else 0
    way = np.arange(-reach, reach + 1)
    kernel = (radius + 0.5 - np.hypot(way, way[:, None])).clip(0, 1).astype(np.float32)
    return kernel / kernel.sum()


OPERATIONS = (GaussianBlur(), MotionBlur(), DefocusBlur(), Sharpen())
