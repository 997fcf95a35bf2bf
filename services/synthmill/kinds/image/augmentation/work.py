"""What is done to one record, step by step, once everything about it is decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.image.augmentation import matrices, targets
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.operations.base import Curve, Distortion, Mixture, Paint
from synthmill.kinds.image.augmentation.operations.colour import LUMA
from synthmill.kinds.image.augmentation.resampling import (
    Border,
    View,
    look_up,
    look_up_mask,
    see,
    see_mask,
    top_level,
)
from synthmill.kinds.policies.streams import stream

# Fixed-point steps to where a field takes a point; each gains a digit or more on fields as smooth as ours.
_FIELD_STEPS = 12
# OpenCV looks up fewer than 2^15 places in a column.
_AT_ONCE = 1 << 14


@dataclasses.dataclass(slots=True)
class Work:
    """A record on its way.

    Attributes:
        example: as it came, or as a mixture left it; its image is not changed in place.
        image: as it is now.
        mask: the same.
        points: the same; None if there are none.
        border: what lies outside.
        min_visible: share of a box that must stay in the picture.
        bends: edges of boxes may become curves.
    """

    example: Example
    image: np.ndarray
    mask: np.ndarray | None
    points: targets.Points | None
    border: Border
    min_visible: float
    bends: bool

    @classmethod
    def begin(cls, example: Example, border: Border, min_visible: float, *, bends: bool) -> Work:
        """Returns an example before the first step."""
        has_points = example.boxes is not None or example.keypoints is not None
        points = targets.to_points(example, bends=bends) if has_points else None
        return cls(example, example.image, example.mask, points, border, min_visible, bends)

    def result(self) -> Example:
        """Returns what the record has become."""
        if self.points is None:
            return Example(self.image, self.example.label, mask=self.mask)
        changed = targets.from_points(self.points, self.example, self.image.shape[:2], self.min_visible)
        return dataclasses.replace(self.example, image=self.image, mask=self.mask, **changed)

    def go_on_from(self, example: Example) -> None:
        """Makes the record what another is."""
        begun = Work.begin(example, self.border, self.min_visible, bends=self.bends)
        self.example, self.image, self.mask, self.points = begun.example, begun.image, begun.mask, begun.points


Step = Callable[[Work], None]
"""Something that is done to a record."""


@dataclasses.dataclass(slots=True, eq=False)
class Move:
    """Resamples once what any number of maps have moved."""

    view: View
    matrix: np.ndarray

    def __call__(self, work: Work) -> None:
        work.image = see(work.image, self.view, work.border)
        self.move_targets(work)

    def move_targets(self, work: Work) -> None:
        """Moves what belongs to the image."""
        if work.mask is not None:
            work.mask = see_mask(work.mask, self.view, work.border)
        if work.points is not None:
            work.points.xy = matrices.move(self.matrix, work.points.xy)


@dataclasses.dataclass(slots=True, eq=False)
class Cut:
    """Leaves of boxes and keypoints what is in the picture, as the picture itself does, before it is moved again."""

    def __call__(self, work: Work) -> None:
        if work.points is not None:
            before, size = work.points, work.image.shape[:2]
            work.go_on_from(work.result())
            targets.keep_outlines(work.points, before, size, work.min_visible)


@dataclasses.dataclass(slots=True, eq=False)
class Mix:
    """Mixes channels once, whatever was to be done to colours.

    Attributes:
        matrix: of RGB in [0, 255], float32 (3, 4).
    """

    matrix: np.ndarray

    def __call__(self, work: Work) -> None:
        image, matrix = work.image, self.levels(work.image.shape[2])
        if image.dtype == np.uint16:
            matrix = matrix * np.array([*[1] * (matrix.shape[1] - 1), 257], np.float32)
        mixed = cv2.transform(image, matrix)
        work.image = mixed if mixed.ndim == 3 else mixed[:, :, None]

    def levels(self, channels: int) -> np.ndarray:
        """Returns what it does to levels in [0, 255] of grey or RGB, float32 (channels, channels + 1)."""
        if channels == 3:
            return self.matrix
        return np.array([[LUMA @ self.matrix[:, :3].sum(axis=1), LUMA @ self.matrix[:, 3]]], np.float32)


@dataclasses.dataclass(slots=True, eq=False)
class Bend:
    """Changes every level by itself."""

    operation: Curve
    given: Any
    values: Mapping[str, Any]

    def __call__(self, work: Work) -> None:
        top = top_level(work.image.dtype)
        bent = self.operation.bend(self.given, self.values, np.arange(top + 1) / top)
        table = np.rint(bent.clip(0, 1) * top).astype(work.image.dtype)
        if work.image.dtype == np.uint8:
            work.image = cv2.LUT(work.image, table).reshape(work.image.shape)
        else:
            work.image = table[work.image]


@dataclasses.dataclass(slots=True, eq=False)
class Brush:
    """Changes pixels and moves nothing."""

    operation: Paint
    given: Any
    values: Mapping[str, Any]
    seed: int

    def __call__(self, work: Work) -> None:
        work.image = self.operation.paint(work.image, self.given, self.values, stream(self.seed))


@dataclasses.dataclass(slots=True, eq=False)
class Distort:
    """Resamples once what maps and then a field have moved.

    Attributes:
        matrix: of the maps before, float64 (3, 3), between coordinates that begin at the edge of a pixel.
        size: height and width after them.
    """

    operation: Distortion
    given: Any
    values: Mapping[str, Any]
    seed: int
    matrix: np.ndarray
    size: tuple[int, int]

    def __call__(self, work: Work) -> None:
        field = self.operation.displace(self.given, self.values, self.size, stream(self.seed))
        height, width = self.size
        x = np.arange(width, dtype=np.float32) + field[..., 0]
        y = np.arange(height, dtype=np.float32)[:, None] + field[..., 1]
        back = matrices.translation(-0.5, -0.5)[0] @ np.linalg.inv(self.matrix) @ matrices.translation(0.5, 0.5)[0]
        columns, rows, scale = (
            (row[0] * x + row[1] * y + row[2]).astype(np.float32) for row in back.astype(np.float32)
        )
        if not np.array_equal(back[2], [0, 0, 1]):
            columns, rows = columns / scale, rows / scale
        work.image = look_up(work.image, columns, rows, work.border)
        if work.mask is not None:
            work.mask = look_up_mask(work.mask, columns, rows, work.border)
        if work.points is not None and len(work.points.xy):
            work.points.xy = _against(field, matrices.move(self.matrix, work.points.xy))


@dataclasses.dataclass(slots=True, eq=False)
class Combine:
    """Mixes the record with others."""

    operation: Mixture
    given: Any
    values: Mapping[str, Any]
    partners: tuple[Callable[[], Example], ...]

    def __call__(self, work: Work) -> None:
        partners = [make() for make in self.partners]
        mixed = self.operation.combine(work.result(), partners, self.given, self.values, work.min_visible)
        work.go_on_from(mixed)


def _against(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the places whose source, by a field, is at points: solves place + field(place) = point."""
    if len(points) > _AT_ONCE:
        starts = range(0, len(points), _AT_ONCE)
        return np.concatenate([_against(field, points[start : start + _AT_ONCE]) for start in starts])
    place = points.copy()
    for _ in range(_FIELD_STEPS):
        at = (place - 0.5).astype(np.float32)
        # Beyond the edge a field is as it is there.
        found = cv2.remap(field, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        place = points - found.reshape(-1, 2)
    return place
