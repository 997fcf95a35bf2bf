"""Operations that change every level by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from unit.kinds.augmentation.pictures import DTYPES, apply, noise, pictures

NAMES = ("gamma", "posterise", "solarise")
NOTHING = [{"op": "gamma", "gamma": 1}, {"op": "posterise", "bits": 8}, {"op": "solarise", "threshold": 1}]
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", NOTHING, ids=lambda step: step["op"])
def test_no_strength_changes_nothing(step, dtype):
    image = noise(9, 11, 3, dtype)
    assert np.array_equal(apply(image, step).image, image)
    assert np.array_equal(apply(LEVELS, step).image, LEVELS)


def test_gamma_is_a_power():
    expected = np.rint((LEVELS / 255) ** 2 * 255)
    assert np.array_equal(apply(LEVELS, {"op": "gamma", "gamma": 2}).image, expected)


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_upper_bits_are_kept(bits):
    kept = 256 - 2 ** (8 - bits)
    assert np.array_equal(apply(LEVELS, {"op": "posterise", "bits": bits}).image, LEVELS & kept)


def test_levels_turn_from_the_threshold_up():
    expected = np.where(LEVELS >= 128, 255 - LEVELS, LEVELS)
    assert np.array_equal(apply(LEVELS, {"op": "solarise", "threshold": 0.5}).image, expected)
    assert np.array_equal(apply(LEVELS, {"op": "solarise", "threshold": 0}).image, 255 - LEVELS)


@pytest.mark.parametrize("name", NAMES)
def test_both_depths_look_the_same(name):
    narrow = apply(LEVELS, {"op": name}).image
    wide = apply(LEVELS.astype(np.uint16) * 257, {"op": name}).image
    assert np.abs(wide / 257 - narrow).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("name", NAMES)
@given(image=pictures)
@settings(max_examples=10, deadline=None)
def test_any_image_keeps_its_shape(name, image):
    before = image.copy()
    changed = apply(image, {"op": name}, seed=2).image
    assert changed.dtype == image.dtype
    assert changed.shape == image.shape
    assert np.array_equal(image, before)
    assert np.array_equal(apply(image, {"op": name}, seed=2).image, changed)
