"""Records put together: which may be, and what is left of their boxes and keypoints.

Records that are mixed must be alike: of one depth, with as many channels and classes, and with the same targets. A
target that only some of them have would be right for a part of the picture alone, so it is refused. Empty lists of
boxes or keypoints are targets too: they say that there are none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.image.augmentation.example import Example
from synthmill.runtime.errors import InvalidField

Rectangle = Sequence[int]
"""Left, top, right, bottom, between pixels."""

_LISTS = ("boxes", "box_labels", "keypoints", "keypoint_labels")


def alike(example: Example, partners: Sequence[Example]) -> Sequence[Example]:
    """Returns the partners.

    Raises:
        InvalidField: one is not like the record; the field is the attribute that does not fit.
    """
    for partner in partners:
        for field in dataclasses.fields(Example):
            own, other = getattr(example, field.name), getattr(partner, field.name)
            if (own is None) != (other is None):
                having = "the record" if other is None else "its partner"
                raise InvalidField(field.name, f"in {having} alone", "in all records that are mixed, or in none")
        for name, traits in (("image", _image_traits), ("label", _label_traits), ("mask", _mask_traits)):
            if getattr(example, name) is not None and traits(example) != traits(partner):
                raise InvalidField(name, f"{traits(partner)} in its partner", f"{traits(example)}, as in the record")
    return partners


def _image_traits(example: Example) -> str:
    return f"{example.image.dtype} of {example.image.shape[2]} channels"


def _label_traits(example: Example) -> str:
    return f"{len(example.label)} classes"


def _mask_traits(example: Example) -> str:
    return str(example.mask.dtype)


def resized(example: Example, size: tuple[int, int]) -> Example:
    """Returns an example brought to a height and width."""
    if example.size == size:
        return example
    filled = dataclasses.replace(
        _moved(example, np.array(size[::-1]) / example.size[::-1], np.zeros(2)),
        image=_resized_image(example.image, size),
        mask=None if example.mask is None else _resized_mask(example.mask, size),
    )
    return inside(filled, (0, 0, *size[::-1]), 0)


def filling(example: Example, tile: Rectangle, min_visible: float) -> Example:
    """Returns the middle of an example brought to a tile: image and mask are of its size, boxes and keypoints in it."""
    left, top, right, bottom = tile
    wanted, size = np.array([bottom - top, right - left]), np.array(example.size)
    window = np.rint(wanted / (wanted / size).max()).clip(1, size).astype(int)
    start = (size - window) // 2
    scale = wanted / window
    here = tuple(slice(first, first + length) for first, length in zip(start, window, strict=True))
    filled = dataclasses.replace(
        _moved(example, scale[::-1], np.array([left, top]) - (start * scale)[::-1]),
        image=_resized_image(example.image[here], (bottom - top, right - left)),
        mask=None if example.mask is None else _resized_mask(example.mask[here], (bottom - top, right - left)),
    )
    return inside(filled, tile, min_visible)


def _resized_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    how = cv2.INTER_AREA if size[0] * size[1] < image.shape[0] * image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=how).reshape(*size, -1)


def _resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _moved(example: Example, scale: np.ndarray, shift: np.ndarray) -> Example:
    """Returns an example with its points, but not its image, scaled and then shifted by x and y."""
    boxes = None if example.boxes is None else boxes_of(example) * np.tile(scale, 2) + np.tile(shift, 2)
    keypoints = None if example.keypoints is None else _keypoints(example) * scale + shift
    if keypoints is not None:
        # What lies on the edge must not come to lie a rounding error beyond it.
        keypoints = keypoints.astype(np.float32)
    return dataclasses.replace(example, boxes=boxes, keypoints=keypoints)


def inside(example: Example, rectangle: Rectangle, min_visible: float) -> Example:
    """Returns an example with what is left of its boxes and keypoints if only a rectangle is seen."""
    low, high = np.array(rectangle[:2]), np.array(rectangle[2:])
    boxes, keypoints = boxes_of(example), _keypoints(example)
    cut = boxes.clip(np.tile(low, 2), np.tile(high, 2))
    seen = ((keypoints >= low) & (keypoints <= high)).all(axis=1)
    return kept(example, cut, _shares(cut, boxes), seen, min_visible)


def outside(example: Example, rectangle: Rectangle, min_visible: float) -> Example:
    """Returns an example with what is left of its boxes and keypoints if a rectangle is hidden."""
    low, high = np.array(rectangle[:2]), np.array(rectangle[2:])
    boxes, keypoints = boxes_of(example), _keypoints(example)
    hidden = _shares(boxes.clip(np.tile(low, 2), np.tile(high, 2)), boxes)
    first, last = boxes[:, :2], boxes[:, 2:]
    # What is left is a smaller box where all its height, or all its width, is hidden from one side.
    across = ((low <= first) & (last <= high))[:, ::-1]
    rest_first = np.where(across & (low <= first), first.clip(high.clip(None, last)), first)
    rest_last = np.where(across & (last <= high), last.clip(None, low.clip(first)), last)
    seen = ((keypoints <= low) | (keypoints >= high)).any(axis=1)
    return kept(example, np.concatenate([rest_first, rest_last], axis=1), 1 - hidden, seen, min_visible)


def kept(example: Example, boxes: np.ndarray, visible: np.ndarray, seen: np.ndarray, min_visible: float) -> Example:
    """Returns an example with those of its boxes and keypoints that are seen.

    Args:
        example: whose they are.
        boxes: what is left of each, float64 (boxes, 4).
        visible: share of each that is seen.
        seen: for each keypoint.
        min_visible: share of a box that must be seen.
    """
    changed: dict[str, np.ndarray] = {}
    if example.boxes is not None:
        boxes = boxes.astype(np.float32)
        stays = (visible > 0) & (visible >= min_visible) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        changed["boxes"] = boxes[stays]
        if example.box_labels is not None:
            changed["box_labels"] = example.box_labels[stays]
    if example.keypoints is not None:
        changed["keypoints"] = example.keypoints[seen].astype(np.float32)
        if example.keypoint_labels is not None:
            changed["keypoint_labels"] = example.keypoint_labels[seen]
    return dataclasses.replace(example, **changed)


def marked(example: Example) -> np.ndarray:
    """Returns which pixels a mask, or else boxes, have marked, bool (height, width)."""
    if example.mask is not None:
        return example.mask != 0
    inside_any = np.zeros(example.size, bool)
    for left, top, right, bottom in np.rint(example.boxes).astype(int).tolist():
        inside_any[top:bottom, left:right] = True
    return inside_any


def covered(example: Example, pasted: np.ndarray) -> np.ndarray:
    """Returns which share of the pixels of each box is pasted over, float64 (boxes,)."""
    sums, boxes = cv2.integral(pasted.astype(np.uint8)), boxes_of(example)
    (left, top), (right, bottom) = np.floor(boxes[:, :2]).astype(int).T, np.ceil(boxes[:, 2:]).astype(int).T
    count = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return count / ((bottom - top) * (right - left))


def under(example: Example, pasted: np.ndarray) -> np.ndarray:
    """Returns which keypoints are pasted over."""
    columns, rows = np.floor(_keypoints(example)).astype(int).T
    return pasted[rows.clip(None, pasted.shape[0] - 1), columns.clip(None, pasted.shape[1] - 1)]


def blended(examples: Sequence[Example], shares: Sequence[float]) -> np.ndarray | None:
    """Returns the mean of the labels by their shares."""
    if examples[0].label is None:
        return None
    labels = np.stack([example.label for example in examples])
    return (np.array(shares) @ labels).astype(np.float32)


def joined(examples: Sequence[Example], **changed: Any) -> Example:
    """Returns the first example with the boxes and keypoints of all, and what else it is given."""
    for name in _LISTS:
        if getattr(examples[0], name) is not None:
            changed[name] = np.concatenate([getattr(example, name) for example in examples])
    return dataclasses.replace(examples[0], **changed)


def boxes_of(example: Example) -> np.ndarray:
    """Returns the boxes of an example, float64 (boxes, 4); none if that target is not there."""
    return np.empty((0, 4)) if example.boxes is None else example.boxes.astype(np.float64)


def _keypoints(example: Example) -> np.ndarray:
    return np.empty((0, 2)) if example.keypoints is None else example.keypoints.astype(np.float64)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _shares(parts: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Returns how much of each box a part of it is; nothing, where rounding has left nothing of the box."""
    return _areas(parts) / np.maximum(_areas(boxes), np.finfo(np.float64).tiny)
