"""Operations that mix channels have the results that can be worked out by hand, and are done at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from unit.kinds.augmentation.pictures import DTYPES, apply, example, noise, pictures

from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.operations.base import Colour
from synthmill.kinds.image.augmentation.operations.colour import LUMA

COLOUR = [name for name, operation in OPERATIONS.items() if isinstance(operation, Colour)]
NOTHING = [
    {"op": "brightness", "factor": 1},
    {"op": "contrast", "factor": 1},
    {"op": "saturation", "factor": 1},
    {"op": "hue", "degrees": 0},
    {"op": "tint", "strength": 0},
    {"op": "colour_jitter", "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0},
]


def luma(image: np.ndarray) -> np.ndarray:
    return image @ LUMA


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", NOTHING, ids=lambda step: step["op"])
def test_no_strength_changes_nothing(step, dtype, channels):
    image = noise(9, 11, channels, dtype)
    assert np.array_equal(apply(image, step).image, image)


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_are_what_they_should_be(dtype):
    top = np.iinfo(dtype).max
    image = noise(9, 11, 3, dtype)
    wide = image.astype(np.float64)
    assert_near(apply(image, {"op": "brightness", "factor": 2}).image, wide * 2)
    assert_near(apply(image, {"op": "contrast", "factor": 0.5}).image, top / 2 + (wide - top / 2) / 2)
    assert_near(apply(image, {"op": "saturation", "factor": 0}).image, np.repeat(luma(wide)[..., None], 3, axis=2))
    assert_near(apply(image, {"op": "grey"}).image, np.repeat(luma(wide)[..., None], 3, axis=2))
    assert_near(apply(image, {"op": "invert"}).image, top - wide)
    assert np.ptp(apply(image, {"op": "tint", "strength": 1}).image, axis=(0, 1)).max() == 0


def test_hue_keeps_luma_and_half_a_turn_twice_is_none():
    image = (noise(9, 11) // 4 + 96).astype(np.uint8)
    turned = apply(image, {"op": "hue", "degrees": 120}).image
    assert np.abs(luma(turned) - luma(image)).max() < 1
    assert np.abs(turned.astype(int) - image).max() > 10
    half = {"op": "hue", "degrees": 180}
    assert np.array_equal(apply(image, half, half).image, image)


def test_every_order_of_channels_comes_up():
    image = np.array([[[1, 2, 3]]], np.uint8)
    seen = {tuple(apply(image, {"op": "channel_shuffle"}, index=i).image[0, 0].tolist()) for i in range(100)}
    assert len(seen) == 6
    assert all(sorted(order) == [1, 2, 3] for order in seen)


@pytest.mark.parametrize("name", [name for name in COLOUR if name != "channel_shuffle"])
def test_grey_is_the_luma_of_what_three_equal_channels_become(name):
    grey = (noise(9, 11, 1) // 2 + 64).astype(np.uint8)
    alone = apply(grey, {"op": name}, seed=3).image
    three = apply(np.repeat(grey, 3, axis=2), {"op": name}, seed=3).image
    assert np.abs(alone[..., 0] - luma(three)).max() <= 1


def test_nothing_is_cut_between_colours():
    image = noise(9, 11)
    brighter, darker = {"op": "brightness", "factor": 4}, {"op": "brightness", "factor": 0.25}
    assert np.array_equal(apply(image, brighter, darker).image, image)


def test_jitter_is_its_four_parts():
    image = noise(9, 11)
    jitter = {"op": "colour_jitter", "brightness": 0.9, "contrast": 1.1, "saturation": 0.8, "hue": 10}
    parts = (
        {"op": "brightness", "factor": 0.9},
        {"op": "contrast", "factor": 1.1},
        {"op": "saturation", "factor": 0.8},
        {"op": "hue", "degrees": 10},
    )
    assert np.array_equal(apply(image, jitter).image, apply(image, *parts).image)


@pytest.mark.parametrize("name", COLOUR)
@given(image=pictures)
@settings(max_examples=10, deadline=None)
def test_any_image_keeps_its_shape_and_targets(name, image):
    record, before = example(image), image.copy()
    changed = apply(record, {"op": name}, seed=2)
    assert changed.image.dtype == image.dtype
    assert changed.image.shape == image.shape
    assert np.array_equal(image, before)
    assert np.array_equal(changed.boxes, record.boxes)
    assert changed.mask is record.mask
    assert np.array_equal(apply(Example(image), {"op": name}, seed=2).image, changed.image)


def assert_near(image: np.ndarray, expected: np.ndarray) -> None:
    """Requires levels that were cut to the range and rounded, to within one of 255 and to within three of 65,535."""
    top = np.iinfo(image.dtype).max
    assert np.abs(image - expected.clip(0, top)).max() <= (1 if top == 255 else 3)
