"""Operations that do to an image what sensors and transmission do."""

from __future__ import annotations

import dataclasses
import functools
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Paint, Values
from synthmill.kinds.image.augmentation.resampling import top_level

# Equally likely values that stand for a normal distribution: as many as two random bytes can choose from.
_QUANTILES = 1 << 16
# Fewer than this are counted one by one.
_FEW_PHOTONS = 16
# Levels of sixteen bits for each one of eight.
_STEP = 257


@dataclasses.dataclass(frozen=True)
class GaussianNoiseParameters:
    """How much."""

    deviation: tuple[float, float] = parameter(
        (0.01, 0.05), "standard deviation, as a share of the range of levels", minimum=0, maximum=1
    )


class GaussianNoise(Paint):
    """Adds normally distributed noise, to each channel its own."""

    name = "gaussian_noise"
    parameters = GaussianNoiseParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        chances = np.frombuffer(generator.bytes(2 * image.size), "<u2").reshape(image.shape)
        scale = np.float32(values["deviation"] * top_level(image.dtype))
        # Several times as fast as to draw from the distribution, and no coarser than levels are.
        noise = (_normal_quantiles() * scale).take(chances)
        return cv2.add(image, noise, dtype=_depth(image)).reshape(image.shape)


@dataclasses.dataclass(frozen=True)
class ShotNoiseParameters:
    """How much."""

    strength: tuple[float, float] = parameter(
        (0.02, 0.1),
        "standard deviation of the brightest level, as a share of it; there are 1 / strength^2 photons",
        minimum=0,
        maximum=1,
    )


class ShotNoise(Paint):
    """Counts the photons that make each level, which are Poisson distributed."""

    name = "shot_noise"
    parameters = ShotNoiseParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        top, strength = top_level(image.dtype), values["strength"]
        # Less than this is far below a level, and would be more photons than an integer counts.
        if strength < 1e-6:
            return image
        levels_per_photon = np.float32(top * strength**2)
        spread = np.sqrt(levels_per_photon * np.arange(top + 1, dtype=np.float32))
        normal = _normal_quantiles()
        skew = levels_per_photon * (normal**2 - 1) / 6
        # Of many photons: a normal distribution, skewed as theirs is (Cornish and Fisher 1938).
        chances = np.frombuffer(generator.bytes(2 * image.size), "<u2").reshape(image.shape)
        counted = image + spread.take(image) * normal.take(chances) + skew.take(chances)
        few = image < _FEW_PHOTONS * levels_per_photon
        counted[few] = generator.poisson(image[few] / levels_per_photon) * levels_per_photon
        return np.rint(counted).clip(0, top).astype(image.dtype)


@dataclasses.dataclass(frozen=True)
class SaltAndPepperParameters:
    """How much."""

    share: tuple[float, float] = parameter(
        (0.001, 0.02), "share of the pixels that it happens to", minimum=0, maximum=1
    )


class SaltAndPepper(Paint):
    """Makes some pixels black and as many white."""

    name = "salt_and_pepper"
    parameters = SaltAndPepperParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        chances, share = generator.random(image.shape[:2], np.float32).ravel(), values["share"]
        places = np.flatnonzero(chances < share)
        levels = np.where(chances[places] < share / 2, 0, top_level(image.dtype))
        changed = image.copy()
        changed.reshape(-1, image.shape[2])[places] = levels[:, None]
        return changed


@dataclasses.dataclass(frozen=True)
class JpegParameters:
    """How much."""

    quality: tuple[int, int] = parameter((40, 95), "quality of the encoder, that of libjpeg", minimum=1, maximum=100)


class Jpeg(Paint):
    """Encodes as JPEG and decodes again; sixteen bits become eight on the way."""

    name = "jpeg"
    parameters = JpegParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        wide, grey = image.dtype == np.uint16, image.shape[2] == 1
        narrow = cv2.convertScaleAbs(image, alpha=1 / _STEP) if wide else image
        ordered = narrow if grey else cv2.cvtColor(narrow, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, int(values["quality"])])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB).reshape(image.shape)
        return decoded.astype(np.uint16) * _STEP if wide else decoded


@dataclasses.dataclass(frozen=True)
class DownscaleParameters:
    """How much."""

    factor: tuple[float, float] = parameter((1.5, 4.0), "size of the image by what is left", minimum=1, maximum=64)


class Downscale(Paint):
    """Shrinks the image and enlarges it again."""

    name = "downscale"
    parameters = DownscaleParameters

    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        small = tuple(max(1, round(side / float(values["factor"]))) for side in (width, height))
        if small == (width, height):
            return image
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR).reshape(image.shape)


@functools.cache
def _normal_quantiles() -> np.ndarray:
    """Returns the middles of equally likely parts of the standard normal distribution, float32 (65_536,)."""
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((place + 0.5) / _QUANTILES) for place in range(_QUANTILES)])
    return (quantiles / quantiles.std()).astype(np.float32)


def _depth(image: np.ndarray) -> int:
    return cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_16U


OPERATIONS = (GaussianNoise(), ShotNoise(), SaltAndPepper(), Jpeg(), Downscale())
