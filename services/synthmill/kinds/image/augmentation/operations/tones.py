"""Operations that fit the levels of an image to its own histogram."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Paint, Values
from synthmill.kinds.image.augmentation.resampling import top_level

# Levels of sixteen bits for each one of eight.
_STEP = 257


@dataclasses.dataclass(frozen=True)
class AutocontrastParameters:
    """What does not count."""

    cutoff: tuple[float, float] = parameter(
        (0.0, 0.0), "share of the pixels at either end that is ignored", minimum=0, maximum=0.49
    )


class Autocontrast(Paint):
    """Stretches the levels of each channel to the full range."""

    name = "autocontrast"
    parameters = AutocontrastParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        return _through(image, [_stretched(_histogram(image, c), values["cutoff"]) for c in range(image.shape[2])])


class Equalise(Paint):
    """Makes the levels of each channel about equally frequent."""

    name = "equalise"

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        return _through(image, [_equalised(_histogram(image, channel)) for channel in range(image.shape[2])])


@dataclasses.dataclass(frozen=True)
class ClaheParameters:
    """How much, and how local."""

    clip_limit: tuple[float, float] = parameter(
        (1.0, 4.0), "steepest rise of levels, as a multiple of what equally frequent ones give", minimum=1, maximum=100
    )
    tiles: int = parameter(8, "tiles across and down, each with a histogram of its own", minimum=1, maximum=64)


class Clahe(Paint):
    """Equalises luma tile by tile, within limits (CLAHE, Zuiderveld 1994); colours keep their distance from grey.

    At sixteen bits the change of luma is worked out at eight: finer levels are too many to count in a tile.
    """

    name = "clahe"
    parameters = ClaheParameters

    def paint(
        self, image: np.ndarray, given: ClaheParameters, values: Values, generator: np.random.Generator
    ) -> np.ndarray:
        luma = image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        wide = image.dtype == np.uint16
        if wide:
            luma = cv2.convertScaleAbs(luma, alpha=1 / _STEP)
        equalised = cv2.createCLAHE(float(values["clip_limit"]), (given.tiles, given.tiles)).apply(luma)
        change = cv2.subtract(equalised, luma, dtype=cv2.CV_32S)
        if wide:
            change *= _STEP
        depth = cv2.CV_16U if wide else cv2.CV_8U
        return cv2.add(image, cv2.merge([change] * image.shape[2]), dtype=depth).reshape(image.shape)


def _histogram(image: np.ndarray, channel: int) -> np.ndarray:
    levels = top_level(image.dtype) + 1
    return cv2.calcHist([image], [channel], None, [levels], [0, levels]).ravel().astype(np.float64)


def _stretched(histogram: np.ndarray, cutoff: float) -> np.ndarray:
    """Returns the level that each becomes, float64, if the least and the greatest that count become those there are."""
    top, ignored = len(histogram) - 1, cutoff * histogram.sum()
    low = int((histogram.cumsum() > ignored).argmax())
    high = top - int((histogram[::-1].cumsum() > ignored).argmax())
    levels = np.arange(top + 1.0)
    return levels if high <= low else ((levels - low) * top / (high - low)).clip(0, top)


def _equalised(histogram: np.ndarray) -> np.ndarray:
    """Returns the level that each becomes, float64, as `cv2.equalizeHist` has it."""
    top, below = len(histogram) - 1, histogram.cumsum()
    least = histogram[(histogram > 0).argmax()]
    if least == below[-1]:
        return np.arange(top + 1.0)
    return ((below - least) * (top / (below[-1] - least))).clip(0, top)


def _through(image: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    table = np.rint(np.stack(tables, axis=1)).astype(image.dtype)
    if image.dtype == np.uint8:
        return cv2.LUT(image, table[None]).reshape(image.shape)
    return np.stack([table[image[..., channel], channel] for channel in range(image.shape[2])], axis=2)


OPERATIONS = (Autocontrast(), Equalise(), Clahe())
