"""What an operation on images is: parameters are drawn in one place and applied in another."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from synthmill.kinds.image.augmentation.example import Example

Drawn = Mapping[str, np.ndarray]
"""Parameters by name, an entry for each record: (n,) or (n, ...)."""

Values = Mapping[str, Any]
"""The parameters of one record by name."""


@dataclasses.dataclass(frozen=True)
class NoParameters:
    """Of operations that leave nothing to choose."""


class Operation(ABC):
    """An operation; its first line of documentation is what users are told.

    Attributes:
        name: in policies.
        group: what sort of operation it is, in a word.
        parameters: frozen dataclass of `parameter()` fields; a pair is a range that a value is drawn from.
    """

    name: ClassVar[str]
    group: ClassVar[str]
    parameters: ClassVar[type] = NoParameters
    partners: ClassVar[int] = 0
    extra_draws: ClassVar[int] = 0
    """Numbers that it draws beside one for each range."""

    @property
    def draws(self) -> int:
        """Numbers that it draws for each record."""
        return len(_ranges(self.parameters)) + self.extra_draws

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        """Draws the parameters of some records.

        Args:
            given: `parameters`, validated.
            chances: uniform in (0, 1), float64 (n, draws): one for each range in its order, then the extra ones.
            size: height and width of each image, float64 (n, 2).
        """
        return {
            name: _between(*getattr(given, name), chances[:, position])
            for position, name in enumerate(_ranges(self.parameters))
        }

    def extra(self, chances: np.ndarray) -> np.ndarray:
        """Returns the extra numbers, (n, extra_draws)."""
        return chances[:, chances.shape[1] - self.extra_draws :]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where images go.

    Attributes:
        matrix: from coordinates in the image to those in the result, float64 (n, 3, 3), projective.
        size: height and width of the results, float64 (n, 2), whole numbers.
    """

    matrix: np.ndarray
    size: np.ndarray


class Geometry(Operation):
    """Moves pixels by a projective map; however many follow each other, pixels are resampled once."""

    group = "geometry"

    @abstractmethod
    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        """Returns the maps of some images of the sizes (n, 2)."""

    def adds_border(self, given: Any, size: np.ndarray) -> np.ndarray:
        """Returns to which images of the sizes (n, 2) it adds a border, whatever lies there before, bool (n,)."""
        return np.zeros(len(size), bool)


class Colour(Operation):
    """Mixes the channels of a pixel linearly; however many follow each other, it is done once."""

    group = "colour"

    @abstractmethod
    def mix(self, given: Any, drawn: Drawn, count: int) -> np.ndarray:
        """Returns the maps of RGB in [0, 1], float64 (count, 4, 4), in homogeneous coordinates."""


class Curve(Operation):
    """Changes every level by itself."""

    group = "colour"

    @abstractmethod
    def bend(self, given: Any, values: Values, levels: np.ndarray) -> np.ndarray:
        """Returns what becomes of levels in [0, 1], float64 (count,) of the same range."""


class Paint(Operation):
    """Changes pixels and moves nothing."""

    group = "pixels"

    @abstractmethod
    def paint(self, image: np.ndarray, given: Any, values: Values, generator: np.random.Generator) -> np.ndarray:
        """Returns what becomes of an image, of the same shape and dtype; the image itself stays as it is."""


class Distortion(Operation):
    """Moves pixels by a smooth field."""

    group = "distortion"

    @abstractmethod
    def displace(self, given: Any, values: Values, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
        """Returns how far from each pixel of the result its source lies, float32 (height, width, 2): x, y."""


class Mixture(Operation):
    """Mixes a record with others, its partners.

    Attributes:
        partners: how many.
    """

    group = "mixing"
    partners: ClassVar[int]

    @property
    def draws(self) -> int:
        return super().draws + self.partners

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        return {**super().draw(given, chances, size), "partners": chances[:, chances.shape[1] - self.partners :]}

    def extra(self, chances: np.ndarray) -> np.ndarray:
        return super().extra(chances[:, : chances.shape[1] - self.partners])

    @abstractmethod
    def combine(
        self, example: Example, partners: Sequence[Example], given: Any, values: Values, min_visible: float
    ) -> Example:
        """Returns what becomes of a record; the result has its size.

        Args:
            example: the record; it is not changed.
            partners: as many as `partners` says.
            given: `parameters`, validated.
            values: drawn.
            min_visible: share of a box that must be seen, else it goes.

        Raises:
            InvalidField: they cannot be mixed; the field is the attribute of `Example` that does not fit.
        """


def _ranges(parameters: type) -> list[str]:
    return [field.name for field in dataclasses.fields(parameters) if isinstance(field.default, tuple)]


def _between(low: float, high: float, chance: np.ndarray) -> np.ndarray:
    if isinstance(low, int) and isinstance(high, int):
        return low + np.floor(chance * (high - low + 1)).astype(np.int64)
    return low + chance * (high - low)


def draw_window(
    area: np.ndarray, aspect: tuple[float, float], chances: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draws windows of images: height and width, and top and left, whole numbers, float64 (n, 2) each.

    Args:
        area: of each window, as a share of the image; where it is above 0, the window has a pixel at least.
        aspect: width by height, a range in which a ratio is as likely as its inverse.
        chances: what decides about aspect, top and left, (n, 3).
        size: of the images, (n, 2).
    """
    low, high = np.log(aspect)
    ratio = np.exp(low + chances[:, 0] * (high - low))
    pixels = area * size.prod(axis=1)
    window = np.round(np.sqrt(np.stack([pixels / ratio, pixels * ratio], axis=1))).clip((area > 0)[:, None], size)
    return window, np.floor(chances[:, 1:] * (size - window + 1))
