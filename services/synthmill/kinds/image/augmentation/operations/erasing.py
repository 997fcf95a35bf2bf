"""Operations that hide parts of an image; its targets stay."""

from __future__ import annotations

import dataclasses

import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Drawn, Paint, Values, draw_window
from synthmill.kinds.image.augmentation.resampling import level, top_level

_MOST_SQUARES = 16


@dataclasses.dataclass(frozen=True)
class EraseParameters:
    """What is hidden, and by what."""

    area: tuple[float, float] = parameter((0.02, 0.33), "share of the image that is hidden", minimum=0, maximum=1)
    aspect: tuple[float, float] = parameter(
        (0.3, 1 / 0.3), "its width by its height; a ratio is as likely as its inverse", above=0, maximum=100
    )
    fill: str = parameter(
        "noise", "what hides it: black, the mean colour, or any levels", choices=("zero", "mean", "noise")
    )


class Erase(Paint):
    """Hides a rectangle of any size, place and proportions (arXiv 1708.04896)."""

    name = "erase"
    parameters = EraseParameters
    extra_draws = 2

    def draw(self, given: EraseParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        area = super().draw(given, chances, size)["area"]
        window, corner = (part.astype(int) for part in draw_window(area, given.aspect, chances[:, 1:], size))
        return {"top": corner[:, 0], "left": corner[:, 1], "height": window[:, 0], "width": window[:, 1]}

    def paint(
        self, image: np.ndarray, given: EraseParameters, values: Values, generator: np.random.Generator
    ) -> np.ndarray:
        top, left, height, width = (values[name] for name in ("top", "left", "height", "width"))
        changed = image.copy()
        hidden = changed[top : top + height, left : left + width]
        if given.fill == "noise":
            hidden[:] = generator.integers(0, top_level(image.dtype), hidden.shape, image.dtype, endpoint=True)
        else:
            hidden[:] = np.rint(image.mean(axis=(0, 1))) if given.fill == "mean" else 0
        return changed


@dataclasses.dataclass(frozen=True)
class CutoutParameters:
    """What is hidden, and by what."""

    side: tuple[float, float] = parameter(
        (0.25, 0.5), "side of a square, as a share of the image's shorter side", minimum=0, maximum=2
    )
    count: int = parameter(1, "squares", minimum=1, maximum=_MOST_SQUARES)
    fill: float = parameter(0.0, "level that hides them, as a share of the range", minimum=0, maximum=1)


class Cutout(Paint):
    """Hides squares of one size whose centres lie anywhere in the image (arXiv 1708.04552)."""

    name = "cutout"
    parameters = CutoutParameters
    extra_draws = 2 * _MOST_SQUARES

    def draw(self, given: CutoutParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        side = np.round(super().draw(given, chances, size)["side"] * size.min(axis=1)).astype(int)
        places = self.extra(chances)[:, : 2 * given.count].reshape(-1, given.count, 2)
        centres = np.floor(places * size[:, None]).astype(int)
        return {"side": side, "corners": centres - side[:, None, None] // 2}

    def paint(
        self, image: np.ndarray, given: CutoutParameters, values: Values, generator: np.random.Generator
    ) -> np.ndarray:
        changed, fill = image.copy(), round(level(given.fill, image.dtype))
        for first in values["corners"]:
            (top, left), (bottom, right) = first.clip(0), (first + values["side"]).clip(0)
            changed[top:bottom, left:right] = fill
        return changed


@dataclasses.dataclass(frozen=True)
class GridMaskParameters:
    """What is hidden, and by what."""

    unit: tuple[float, float] = parameter(
        (0.4, 1.0), "distance of the squares, as a share of the image's shorter side", above=0, maximum=2
    )
    ratio: tuple[float, float] = parameter(
        (0.3, 0.5), "side of a square, as a share of their distance", minimum=0, maximum=1
    )
    fill: float = parameter(0.0, "level that hides them, as a share of the range", minimum=0, maximum=1)


class GridMask(Paint):
    """Hides squares in a regular grid (arXiv 2001.04086)."""

    name = "grid_mask"
    parameters = GridMaskParameters
    extra_draws = 2

    def draw(self, given: GridMaskParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        drawn = super().draw(given, chances, size)
        # Below two pixels, no grid is seen.
        unit = np.maximum(drawn["unit"] * size.min(axis=1), 2)
        return {"unit": unit, "ratio": drawn["ratio"], "offset": self.extra(chances) * unit[:, None]}

    def paint(
        self, image: np.ndarray, given: GridMaskParameters, values: Values, generator: np.random.Generator
    ) -> np.ndarray:
        rows, columns = (
            np.flatnonzero((np.arange(side) + offset) % values["unit"] < values["ratio"] * values["unit"])
            for side, offset in zip(image.shape, values["offset"], strict=False)
        )
        changed = image.copy()
        changed[np.ix_(rows, columns)] = round(level(given.fill, image.dtype))
        return changed


OPERATIONS = (Erase(), Cutout(), GridMask())
