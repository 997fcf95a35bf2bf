"""Images with targets for tests, and policies applied to them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import strategies as st

from synthmill.kinds.image.augmentation.engine import Augmenter, Pool
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.policy import image_policy

DTYPES = (np.uint8, np.uint16)

pictures = st.builds(
    lambda height, width, channels, dtype, seed: noise(height, width, channels, dtype, seed),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
    st.sampled_from(DTYPES),
    st.integers(0, 99),
)
"""Any levels, any sizes."""


def noise(height: int, width: int, channels: int = 3, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Returns an image of any levels."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def smooth(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """Returns an image of a few waves, whose neighbours differ little."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (5 + c)) + np.cos(columns / (7 - c)) for c in range(channels)]
    return np.rint((np.stack(waves, axis=2) + 2) / 4 * np.iinfo(dtype).max).astype(dtype)


def example(image: np.ndarray, classes: int = 4, seed: int = 0) -> Example:
    """Returns an image with all targets."""
    height, width = image.shape[:2]
    generator = np.random.default_rng(seed)
    edges = np.sort(generator.random((5, 2, 2)), axis=1) * (width, height)
    edges[0] = (0, 0), (width, height)
    label = generator.dirichlet(np.ones(classes))
    return Example(
        image,
        label=label.astype(np.float32),
        boxes=edges.reshape(-1, 4).astype(np.float32),
        box_labels=np.arange(5),
        mask=generator.integers(0, classes, (height, width), np.uint8),
        keypoints=(generator.random((6, 2)) * (width, height)).astype(np.float32),
        keypoint_labels=np.arange(6),
    )


def marked(height: int, width: int, box: tuple[int, int, int, int]) -> Example:
    """Returns a black image with a white rectangle, and the same as a mask and as a box."""
    left, top, right, bottom = box
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 1
    return Example(mask[..., None] * np.uint8(255), boxes=np.float32([box]), mask=mask)


def augmenter(*steps: dict[str, Any], pool: Pool | None = None, **settings: Any) -> Augmenter:
    """Returns the steps, ready to be applied."""
    return Augmenter(image_policy({"steps": list(steps), **settings}), pool=pool)


def apply(
    given: Example | np.ndarray, *steps: dict[str, Any], seed: int = 0, index: int = 0, **settings: Any
) -> Example:
    """Returns what steps make of one record."""
    record = given if isinstance(given, Example) else Example(given)
    return augmenter(*steps, **settings).augment([record], [index], seed)[0]


def equal(one: Example, other: Example) -> bool:
    """Returns whether two examples are the same to the last bit."""
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(Example)]
    return all(
        (a is None and b is None) or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
        for a, b in pairs
    )
