"""Boxes in the forms that data sets come in, to corners in pixels and back."""

from __future__ import annotations

import numpy as np

from synthmill.runtime.errors import InvalidField

FORMATS = ("voc", "coco", "yolo")
"""Corners in pixels, as in Pascal VOC and on the wire; left, top, width and height in pixels, as in COCO; centre, width
and height as shares of the image's sides, as in YOLO."""

# In pixels.
_HAIR = 0.01


def to_corners(boxes: np.ndarray, box_format: str, size: tuple[int, int]) -> np.ndarray:
    """Returns boxes as x and y of the upper left corner, x and y of the lower right one, in pixels, float32 (count, 4).

    Args:
        boxes: numbers (count, 4).
        box_format: of `FORMATS`.
        size: height and width of their image.

    Raises:
        InvalidField: there is no such format, or these are no boxes.
    """
    boxes = _checked(boxes, box_format)
    if box_format == "coco":
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    elif box_format == "yolo":
        boxes = boxes * _sides(size)
        boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
        # Shares with six digits, as they are written, may end a hair beyond the edge.
        boxes = np.where(np.abs(boxes - boxes.clip(0, _sides(size))) < _HAIR, boxes.clip(0, _sides(size)), boxes)
    return boxes.astype(np.float32)


def from_corners(boxes: np.ndarray, box_format: str, size: tuple[int, int]) -> np.ndarray:
    """Inverse of `to_corners`."""
    boxes = _checked(boxes, box_format)
    if box_format == "coco":
        boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    elif box_format == "yolo":
        boxes = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1) / _sides(size)
    return boxes.astype(np.float32)


def _checked(boxes: np.ndarray, box_format: str) -> np.ndarray:
    if box_format not in FORMATS:
        raise InvalidField("box_format", box_format, "one of " + ", ".join(FORMATS))
    boxes = np.asarray(boxes)
    if boxes.size == 0:
        return np.empty((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise InvalidField("boxes", f"{boxes.dtype} {list(boxes.shape)}", "numbers (count, 4)")
    return boxes.astype(np.float64)


def _sides(size: tuple[int, int]) -> np.ndarray:
    return np.array([size[1], size[0], size[1], size[0]], np.float64)
