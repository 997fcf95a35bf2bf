"""An image with its targets, and what is allowed of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from synthmill.runtime.errors import InvalidField

MAX_SIDE = 16_384
"""Longest side of an image, in pixels."""

MAX_PIXELS = 1 << 26
"""Most pixels of an image."""

_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_MASK_DTYPES = (*_DTYPES, np.dtype(np.int32))
_SUM_TOLERANCE = 1e-3


@dataclasses.dataclass(slots=True, eq=False)
class Example:
    """An image with its targets; those that are None are not there.

    Coordinates are in pixels from the upper left corner of the image, x to the right and y down: the pixel in column c
    and row r covers [c, c + 1] x [r, r + 1].

    Attributes:
        image: uint8 or uint16 (height, width, channels), grey or RGB.
        label: shares of the classes, float32 (classes,), which sum to 1.
        boxes: float32 (count, 4): x and y of the upper left corner, x and y of the lower right one.
        box_labels: int64 (count,), one for each box.
        mask: a class for each pixel, uint8, uint16 or int32 (height, width).
        keypoints: float32 (count, 2): x, y.
        keypoint_labels: int64 (count,), one for each keypoint.
    """

    image: np.ndarray
    label: np.ndarray | None = None
    boxes: np.ndarray | None = None
    box_labels: np.ndarray | None = None
    mask: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    keypoint_labels: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]


def require_valid(example: Example, class_count: int | None = None) -> None:
    """Requires that an example is what the attributes of `Example` say.

    Args:
        example: as it came.
        class_count: length that the label must have; None allows any.

    Raises:
        InvalidField: it is not; the field is the attribute.
    """
    image = example.image
    if image.dtype not in _DTYPES or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise InvalidField("image", _told(image), "uint8 or uint16 (height, width, 1 or 3)")
    height, width = example.size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        allowed = f"1 to {MAX_SIDE} pixels a side, {MAX_PIXELS} pixels in all"
        raise InvalidField("image", f"{width} x {height} pixels", allowed)
    if example.label is not None:
        _require_shares(example.label, class_count)
    if example.mask is not None and (example.mask.dtype not in _MASK_DTYPES or example.mask.shape != (height, width)):
        raise InvalidField("mask", _told(example.mask), f"uint8, uint16 or int32 ({height}, {width})")
    _require_points("boxes", example.boxes, 4, (height, width))
    _require_points("keypoints", example.keypoints, 2, (height, width))
    if example.boxes is not None:
        empty = np.flatnonzero((example.boxes[:, 2:] <= example.boxes[:, :2]).any(axis=1))
        if len(empty):
            position = int(empty[0])
            raise InvalidField(
                f"boxes[{position}]", example.boxes[position].tolist(), "left of right, top above bottom"
            )
    for name, owner in (("box_labels", "boxes"), ("keypoint_labels", "keypoints")):
        labels, owned = getattr(example, name), getattr(example, owner)
        if labels is not None and (owned is None or labels.dtype != np.int64 or labels.shape != (len(owned),)):
            raise InvalidField(name, _told(labels), f"int64, one for each of the {owner}")


def _require_shares(label: np.ndarray, class_count: int | None) -> None:
    if (
        label.dtype != np.float32
        or label.ndim != 1
        or not len(label)
        or (class_count is not None and len(label) != class_count)
    ):
        allowed = f"float32 ({'classes' if class_count is None else class_count},), a share for each class"
        raise InvalidField("label", _told(label), allowed)
    if not np.isfinite(label).all() or (label < 0).any() or abs(float(label.sum()) - 1) > _SUM_TOLERANCE:
        raise InvalidField("label", f"shares that sum to {float(label.sum()):g}", "shares from 0 up that sum to 1")


def _require_points(name: str, points: np.ndarray | None, width: int, size: tuple[int, int]) -> None:
    if points is None:
        return
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != width:
        raise InvalidField(name, _told(points), f"float32 (count, {width})")
    xy = points.reshape(len(points), width // 2, 2)
    # NaN is in no range.
    inside = ((xy >= 0) & (xy <= np.array([size[1], size[0]]))).all(axis=(1, 2))
    if not inside.all():
        position = int(np.flatnonzero(~inside)[0])
        allowed = f"x from 0 to {size[1]}, y from 0 to {size[0]}"
        raise InvalidField(f"{name}[{position}]", points[position].tolist(), allowed)


def _told(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}"
