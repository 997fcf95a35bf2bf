"""Images seen through projective maps and fields of displacement, resampled once."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from synthmill.kinds.image.augmentation import matrices

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT_101,
    "replicate": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
}
"""What lies outside an image, by name."""

_TOP_LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65_535}
# OpenCV's numbers for what is not turned around: rows, columns.
_FLIPS = {(True, False): 1, (False, True): 0, (False, False): -1}
# Maps are composed of a few products of float64: what is meant to be a whole number is one to within this.
_WHOLE = 1e-7
# OpenCV resamples four channels with vector instructions and three without: worth two copies above this many pixels.
_WORTH_A_CHANNEL = 48 * 48


@dataclasses.dataclass(frozen=True)
class Border:
    """What lies outside an image.

    Attributes:
        mode: of `BORDERS`.
        fill: level of a constant border, in [0, 1].
        mask_fill: class of what lies outside a mask.
    """

    mode: str = "constant"
    fill: float = 0.0
    mask_fill: int = 0


class View(NamedTuple):
    """How one image is to be seen.

    Attributes:
        inverse: from columns and rows of the result to those of the image, float64 (3, 3).
        size: height and width of the result.
        is_exact: pixels are only moved to other places, none mixed with its neighbours.
        is_affine: parallels stay parallel.
        shrink: whole number of the image's pixels that fall into one of the result's, in each direction.
    """

    inverse: np.ndarray
    size: tuple[int, int]
    is_exact: bool
    is_affine: bool
    shrink: int


def make_views(matrix: np.ndarray, size: np.ndarray) -> list[View]:
    """Returns the views that maps give.

    Args:
        matrix: from coordinates in the images to those in the results, float64 (n, 3, 3).
        size: height and width of the results, (n, 2).
    """
    # Coordinates begin at the edge of a pixel, columns and rows at its middle.
    inverse = matrices.translation(-0.5, -0.5) @ np.linalg.inv(matrix) @ matrices.translation(0.5, 0.5)
    inverse /= inverse[:, 2:, 2:]
    whole = np.round(inverse)
    is_affine = (np.abs(inverse[:, 2, :2]) < _WHOLE).all(axis=1)
    turns = np.abs(whole[:, :2, :2]).sum(axis=1) == 1
    is_exact = is_affine & turns.all(axis=1) & (np.abs(inverse - whole) < _WHOLE).all(axis=(1, 2))
    inverse = np.where(is_exact[:, None, None], whole, inverse)
    # The least of both directions: a view that shrinks in one alone is not blurred in the other.
    stride = np.sqrt((inverse[:, :2, :2] ** 2).sum(axis=1)).min(axis=1)
    shrink = np.where(is_affine, np.floor(stride + _WHOLE), 1).clip(1).astype(int)
    sizes = map(tuple, size.astype(int).tolist())
    return list(map(View, inverse, sizes, is_exact.tolist(), is_affine.tolist(), shrink.tolist()))


def see(image: np.ndarray, view: View, border: Border) -> np.ndarray:
    """Returns what is seen of an image, uint8 or uint16 (height, width, channels); bilinear."""
    if view.is_exact and (moved := _move(image, view)) is not None:
        return moved
    inverse = view.inverse
    if view.shrink > 1:
        image, inverse = _shrink(image, inverse, view.shrink)
    deep = image.shape[2] == 3 and image.dtype == np.uint8 and view.size[0] * view.size[1] >= _WORTH_A_CHANNEL
    if deep:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    seen = _warp(image, view, inverse, cv2.INTER_LINEAR, border.mode, level(border.fill, image.dtype))
    if deep:
        return cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB)
    return seen if seen.ndim == 3 else seen[:, :, None]


def see_mask(mask: np.ndarray, view: View, border: Border) -> np.ndarray:
    """Returns what is seen of a mask, (height, width): each pixel's class is that of the nearest."""
    if view.is_exact and (moved := _move(mask, view)) is not None:
        return moved
    return _warp(mask, view, view.inverse, cv2.INTER_NEAREST, border.mode, border.mask_fill)


def look_up(image: np.ndarray, columns: np.ndarray, rows: np.ndarray, border: Border) -> np.ndarray:
    """Returns an image at any places, float32 columns and rows (height, width); bilinear."""
    fill = (level(border.fill, image.dtype),) * 4
    found = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=BORDERS[border.mode], borderValue=fill)
    return found.reshape(*columns.shape, -1)


def look_up_mask(mask: np.ndarray, columns: np.ndarray, rows: np.ndarray, border: Border) -> np.ndarray:
    """Returns a mask at any places, float32 columns and rows (height, width): that of the nearest pixel."""
    mode, fill = BORDERS[border.mode], (border.mask_fill,) * 4
    return cv2.remap(mask, columns, rows, cv2.INTER_NEAREST, borderMode=mode, borderValue=fill)


def level(share: float, dtype: np.dtype) -> float:
    """Returns the level that is a share of the range of an image."""
    return share * _TOP_LEVELS[dtype]


def top_level(dtype: np.dtype) -> int:
    """Returns the greatest level of an image."""
    return _TOP_LEVELS[dtype]


def _warp(
    image: np.ndarray, view: View, inverse: np.ndarray, interpolation: int, border: str, fill: float
) -> np.ndarray:
    size, flags = view.size[::-1], interpolation | cv2.WARP_INVERSE_MAP
    mode, value = BORDERS[border], (fill,) * 4
    if view.is_affine:
        return cv2.warpAffine(image, inverse[:2], size, flags=flags, borderMode=mode, borderValue=value)
    return cv2.warpPerspective(image, inverse, size, flags=flags, borderMode=mode, borderValue=value)


def _move(image: np.ndarray, view: View) -> np.ndarray | None:
    """Returns an exact view by copying; None if it shows what lies outside."""
    inverse, axes = view.inverse.astype(int), image.ndim
    if not inverse[0, 0]:
        # OpenCV works block by block, NumPy number by number: twenty times as long.
        image, inverse = cv2.transpose(image), inverse[[1, 0, 2]]
    down, right = inverse[1, 1], inverse[0, 0]
    rows = _along(down, inverse[1, 2], view.size[0], image.shape[0])
    columns = _along(right, inverse[0, 2], view.size[1], image.shape[1])
    if rows is None or columns is None:
        return None
    window = image[rows, columns]
    moved = window.copy() if down > 0 and right > 0 else cv2.flip(window, _FLIPS[down > 0, right > 0])
    return moved if moved.ndim == axes else moved[:, :, None]


def _along(step: int, start: int, count: int, length: int) -> slice | None:
    """Returns where the positions start, start + step, ... lie, as many as counted; None if one lies outside."""
    last = start + step * (count - 1)
    low, high = min(start, last), max(start, last)
    return slice(low, high + 1) if low >= 0 and high < length else None


def _shrink(image: np.ndarray, inverse: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image whose pixels are means of squares of the other's, and the view's map to it."""
    # An image that is narrower than a square is shrunk to one pixel in that direction, and no further.
    high, wide = (min(factor, side) for side in image.shape[:2])
    # What is left over at the right and at the bottom is repeated until it makes a square.
    down, right = -image.shape[0] % high, -image.shape[1] % wide
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
    size = (image.shape[1] // wide, image.shape[0] // high)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    middle = matrices.translation((1 / wide - 1) / 2, (1 / high - 1) / 2)[0]
    onto = middle @ matrices.linear(1 / wide, 0, 0, 1 / high)[0]
    return small.reshape(size[1], size[0], -1), onto @ inverse
