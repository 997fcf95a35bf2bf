"""Boxes and keypoints while they are moved: points, and what is left of them in the end."""

from __future__ import annotations

import dataclasses

import numpy as np

from synthmill.kinds.image.augmentation.example import Example

# Along each edge of a box. Straight edges stay straight under a projective map; a field bends them.
_STRAIGHT, _BENT = 1, 8
# How far rounding may take a point that lies on the edge of an image, in pixels, and the area of a box, as a share.
_POINT_ROUNDING, _AREA_ROUNDING = 1e-3, 1e-6


@dataclasses.dataclass
class Points:
    """The points that move with an image.

    Attributes:
        xy: float64 (boxes * outline + keypoints, 2).
        boxes: how many boxes there are.
        outline: points of the outline of each.
    """

    xy: np.ndarray
    boxes: int
    outline: int

    @property
    def outlines(self) -> np.ndarray:
        """The points of the boxes, a view (boxes, outline, 2)."""
        return self.xy[: self.boxes * self.outline].reshape(self.boxes, self.outline, 2)


def to_points(example: Example, *, bends: bool) -> Points:
    """Returns the points of an example.

    Args:
        example: with boxes, keypoints, both or neither.
        bends: edges of boxes may become curves.
    """
    boxes = np.empty((0, 4)) if example.boxes is None else example.boxes.astype(np.float64)
    keypoints = np.empty((0, 2)) if example.keypoints is None else example.keypoints.astype(np.float64)
    per_edge = _BENT if bends else _STRAIGHT
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    way = np.arange(per_edge)[:, None, None] / per_edge
    outline = corners + way[:, None] * (np.roll(corners, -1, axis=1) - corners)
    xy = np.moveaxis(outline, 0, 2).reshape(-1, 2)
    return Points(np.concatenate([xy, keypoints]), len(boxes), 4 * per_edge)


def from_points(
    points: Points, example: Example, size: tuple[int, int], min_visible: float
) -> dict[str, np.ndarray | None]:
    """Returns boxes, keypoints and their labels after the move, by attribute of `Example`.

    A box is what bounds its moved outline, cut at the edges of the image; it goes if less than a share of its area is
    left. A keypoint goes if it lies outside.

    Args:
        points: moved.
        example: whose they are.
        size: height and width of the image now.
        min_visible: that share, in [0, 1].
    """
    limits = np.array([size[1], size[0]], np.float64)
    changed: dict[str, np.ndarray | None] = {}
    if example.boxes is not None:
        boxes, stays = _cut(points.outlines, limits, min_visible)
        changed["boxes"] = boxes[stays].reshape(-1, 4)
        changed["box_labels"] = None if example.box_labels is None else example.box_labels[stays]
    if example.keypoints is not None:
        moved = points.xy[points.boxes * points.outline :]
        inside = moved.clip(0, limits)
        stays = (np.abs(moved - inside) <= _POINT_ROUNDING).all(axis=1)
        changed["keypoints"] = inside[stays].astype(np.float32)
        changed["keypoint_labels"] = None if example.keypoint_labels is None else example.keypoint_labels[stays]
    return changed


def keep_outlines(points: Points, before: Points, size: tuple[int, int], min_visible: float) -> None:
    """Gives the boxes that lie wholly in a picture the outlines that they had before they were made of `from_points`.

    A box around a turned box is larger than it, and larger again each time.

    Args:
        points: made of what `from_points` returned; changed.
        before: what it was given.
        size: as it was given.
        min_visible: as it was given.
    """
    limits = np.array([size[1], size[0]], np.float64)
    _, stays = _cut(before.outlines, limits, min_visible)
    outlines = before.outlines[stays]
    inside = (np.abs(outlines - outlines.clip(0, limits)) <= _POINT_ROUNDING).all(axis=(1, 2))
    points.outlines[inside] = outlines[inside]


def _cut(outlines: np.ndarray, limits: np.ndarray, min_visible: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns what bounds each outline in the picture, float32 (boxes, 2, 2), and whether it stays, bool (boxes,)."""
    whole = np.stack([outlines.min(axis=1), outlines.max(axis=1)], axis=1)
    cut = whole.clip(0, limits)
    areas, left = (np.prod(boxes[:, 1] - boxes[:, 0], axis=1) for boxes in (whole, cut))
    rounded = cut.astype(np.float32)
    # What is left may be so narrow that rounding leaves nothing of it.
    stays = (rounded[:, 0] < rounded[:, 1]).all(axis=1) & (left >= min_visible * (1 - _AREA_ROUNDING) * areas)
    return rounded, stays
