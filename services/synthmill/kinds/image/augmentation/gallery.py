"""Draws examples of any sizes as a captioned grid, their targets over them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.picture import picture

_TILE = 144
_PAPER = 250
_MASK_SHARE = 0.45
_LINE = (255, 64, 32)
_POINT = (32, 200, 255)
# As far apart from each other as a few colours can be; classes beyond them begin anew.
_PALETTE = np.array(
    [[0, 158, 115], [230, 159, 0], [86, 180, 233], [204, 121, 167], [240, 228, 66], [0, 114, 178], [213, 94, 0]],
    np.uint8,
)


def draw_grid(examples: Sequence[Example], captions: Sequence[str], columns: int) -> bytes:
    """Draws examples in rows, each in a square of its own with its caption below.

    Args:
        examples: of any sizes; large ones are shrunk, small ones enlarged so that pixels stay square.
        captions: a text per example, shortened to its width; empty for none.
        columns: examples in a row.

    Returns:
        A PNG file.
    """
    return picture(np.stack([_tile(example) for example in examples]), captions, columns)


def _tile(example: Example) -> np.ndarray:
    """Returns one example with its targets, uint8 (tile, tile, 3)."""
    image = example.image
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    height, width = image.shape[:2]
    factor = _TILE / max(height, width)
    factor = max(1, int(factor)) if factor >= 1 else factor
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    shown = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA)
    if example.mask is not None:
        _tint(shown, cv2.resize(example.mask.astype(np.int32), size, interpolation=cv2.INTER_NEAREST))
    for box in () if example.boxes is None else example.boxes * factor:
        x0, y0, x1, y1 = np.round(box).astype(int).tolist()
        cv2.rectangle(shown, (x0, y0), (max(x0, x1 - 1), max(y0, y1 - 1)), _LINE, 1)
    for point in () if example.keypoints is None else example.keypoints * factor:
        cv2.circle(shown, np.floor(point).astype(int).tolist(), 2, _POINT, -1)
    tile = np.full((_TILE, _TILE, 3), _PAPER, np.uint8)
    top, left = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = shown
    return tile


def _tint(shown: np.ndarray, mask: np.ndarray) -> None:
    """Colours the classes of a mask, but for class 0, which is the background."""
    colours = _PALETTE[(mask - 1) % len(_PALETTE)]
    mixed = shown * (1 - _MASK_SHARE) + colours * _MASK_SHARE
    shown[mask != 0] = np.rint(mixed).astype(np.uint8)[mask != 0]
