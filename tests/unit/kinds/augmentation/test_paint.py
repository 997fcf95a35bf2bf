"""Operations that change pixels and move nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from unit.kinds.augmentation.pictures import DTYPES, apply, equal, example, noise, pictures, smooth

from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.operations.base import Paint
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.runtime.errors import InvalidField

PAINT = [name for name, operation in OPERATIONS.items() if isinstance(operation, Paint)]
NOTHING = [
    {"op": "gaussian_blur", "sigma": 0},
    {"op": "motion_blur", "length": 0},
    {"op": "defocus_blur", "radius": 0},
    {"op": "sharpen", "strength": 0},
    {"op": "gaussian_noise", "deviation": 0},
    {"op": "shot_noise", "strength": 0},
    {"op": "salt_and_pepper", "share": 0},
    {"op": "downscale", "factor": 1},
    {"op": "erase", "area": 0},
    {"op": "cutout", "side": 0},
    {"op": "grid_mask", "ratio": 0},
]


def dot(side: int = 21) -> np.ndarray:
    image = np.zeros((side, side, 1), np.uint16)
    image[side // 2, side // 2] = 60_000
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", NOTHING, ids=lambda step: step["op"])
def test_no_strength_changes_nothing(step, dtype, channels):
    image = noise(13, 9, channels, dtype)
    assert np.array_equal(apply(image, step).image, image)


@pytest.mark.parametrize("name", PAINT)
@given(image=pictures)
@settings(max_examples=15, deadline=None)
def test_any_image_keeps_its_shape_and_targets(name, image):
    record, before = example(image), image.copy()
    changed = apply(record, {"op": name}, seed=2)
    assert changed.image.dtype == image.dtype
    assert changed.image.shape == image.shape
    assert np.array_equal(image, before)
    assert np.array_equal(changed.boxes, record.boxes)
    assert changed.mask is record.mask
    assert equal(apply(record, {"op": name}, seed=2), changed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_autocontrast_reaches_both_ends(dtype):
    top = np.iinfo(dtype).max
    image = np.array([[[50], [100], [150]]], dtype)
    assert apply(image, {"op": "autocontrast"}).image.ravel().tolist() == [0, round(top / 2), top]
    flat = np.full((3, 4, 3), 77, dtype)
    assert np.array_equal(apply(flat, {"op": "autocontrast"}).image, flat)


def test_autocontrast_ignores_what_it_is_told_to():
    image = np.concatenate([[0], np.linspace(100, 150, 98), [255]]).astype(np.uint8).reshape(10, 10, 1)
    stretched = apply(image, {"op": "autocontrast", "cutoff": 0.01}).image.ravel()
    assert stretched[:2].tolist() == [0, 0]
    assert stretched[-2:].tolist() == [255, 255]
    assert 120 < stretched[50] < 135


def test_equalise_is_that_of_opencv_at_eight_bits():
    image = (smooth(40, 50) // 3 + 20).astype(np.uint8)
    expected = np.stack([cv2.equalizeHist(np.ascontiguousarray(image[..., c])) for c in range(3)], axis=2)
    assert np.array_equal(apply(image, {"op": "equalise"}).image, expected)


def test_equalise_spreads_sixteen_bits_evenly():
    image = (noise(40, 50, 1, np.uint16) // 100).astype(np.uint16)
    spread = np.sort(apply(image, {"op": "equalise"}).image.ravel())
    assert spread[0] == 0
    assert spread[-1] == 65_535
    assert np.abs(spread / 65_535 - np.linspace(0, 1, 2000)).max() < 0.02
    flat = np.full((3, 4, 3), 777, np.uint16)
    assert np.array_equal(apply(flat, {"op": "equalise"}).image, flat)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clahe_raises_local_contrast_and_adds_the_same_to_all_channels(dtype):
    scale = np.iinfo(dtype).max // 255
    image = (smooth(64, 64) // 8 + 100).astype(dtype) * dtype(scale)
    changed = apply(image, {"op": "clahe", "clip_limit": 4}).image
    added = changed.astype(int) - image
    assert np.ptp(added, axis=2).max() == 0
    assert changed.std() > 1.3 * image.std()


def test_clahe_looks_the_same_at_both_depths():
    image = smooth(64, 64)
    wide = apply(image.astype(np.uint16) * np.uint16(257), {"op": "clahe"}).image
    assert np.array_equal(wide, apply(image, {"op": "clahe"}).image.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("step", "variance"),
    [
        ({"op": "gaussian_blur", "sigma": 1.5}, 2 * 1.5**2),
        ({"op": "defocus_blur", "radius": 4}, 4**2 / 2),
        ({"op": "motion_blur", "length": 8}, 8**2 / 12),
    ],
    ids=lambda value: value["op"] if isinstance(value, dict) else "",
)
def test_a_point_spreads_as_far_as_it_should_and_nothing_is_lost(step, variance):
    for index in range(4):
        spread = apply(dot(), step, index=index).image[..., 0].astype(float)
        assert spread.sum() == pytest.approx(60_000, rel=0.005)
        rows, columns = np.mgrid[-10:11, -10:11]
        assert (spread * rows).sum() == pytest.approx(0, abs=2000)
        assert (spread * (rows**2 + columns**2)).sum() / spread.sum() == pytest.approx(variance, rel=0.1)


def test_a_moving_point_leaves_a_line():
    for index in range(10):
        spread = apply(dot(), {"op": "motion_blur", "length": 12}, index=index).image[..., 0].astype(float)
        rows, columns = np.mgrid[-10:11, -10:11]
        places = np.stack([rows, columns]).reshape(2, -1)
        across, along = np.linalg.eigvalsh(np.cov(places, aweights=spread.ravel(), ddof=0))
        assert along == pytest.approx(12, rel=0.1)
        assert across < 0.3


def test_sharpening_adds_what_smoothing_takes_away():
    image = smooth(20, 24, dtype=np.uint16)
    sharp = apply(image, {"op": "sharpen", "strength": 0.5}).image
    blurred = apply(image, {"op": "gaussian_blur", "sigma": 1}).image
    expected = image + 0.5 * (image.astype(float) - blurred)
    assert np.abs(sharp - expected.clip(0, 65_535)).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_has_the_deviation_it_is_given(dtype):
    top = np.iinfo(dtype).max
    image = np.full((200, 200, 3), top // 2, dtype)
    added = apply(image, {"op": "gaussian_noise", "deviation": 0.05}).image / top - 0.5
    assert abs(added.mean()) < 0.002
    assert added.std() == pytest.approx(0.05, rel=0.02)
    assert np.abs(np.corrcoef(added.reshape(-1, 3).T) - np.eye(3)).max() < 0.02
    assert (np.abs(added) < 0.05).mean() == pytest.approx(0.683, abs=0.01)


@pytest.mark.parametrize("level", [200, 3_000, 30_000])
def test_shot_noise_has_the_moments_of_a_poisson_distribution(level):
    strength = 0.1
    photons = level / 65_535 / strength**2
    counted = apply(np.full((300, 300, 1), level, np.uint16), {"op": "shot_noise", "strength": strength}).image
    counted = counted / 65_535 / strength**2
    assert counted.mean() == pytest.approx(photons, rel=0.02)
    assert counted.var() == pytest.approx(photons, rel=0.03)
    skew = ((counted - counted.mean()) ** 3).mean() / counted.std() ** 3
    assert skew == pytest.approx(photons**-0.5, abs=0.05)


def test_shot_noise_keeps_black():
    assert not apply(np.zeros((30, 30, 1), np.uint8), {"op": "shot_noise", "strength": 1}).image.any()


def test_salt_is_as_frequent_as_pepper():
    image = np.full((200, 200, 3), 100, np.uint8)
    changed = apply(image, {"op": "salt_and_pepper", "share": 0.2}).image
    assert (changed == 0).all(axis=2).mean() == pytest.approx(0.1, abs=0.01)
    assert (changed == 255).all(axis=2).mean() == pytest.approx(0.1, abs=0.01)
    assert (changed == 100).all(axis=2).mean() == pytest.approx(0.8, abs=0.01)
    assert np.isin(apply(image, {"op": "salt_and_pepper", "share": 1}).image, (0, 255)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_the_picture_and_its_colours(dtype, channels):
    scale = np.iinfo(dtype).max // 255
    image = smooth(48, 56, channels).astype(dtype) * dtype(scale)
    good, bad = (apply(image, {"op": "jpeg", "quality": quality}).image for quality in (95, 5))
    error = [np.abs(changed.astype(float) - image).mean() / scale for changed in (good, bad)]
    assert error[0] < 2 < error[1]
    # Red stays red.
    red = np.full((16, 16, 3), (200, 20, 20), np.uint8)
    assert np.abs(apply(red, {"op": "jpeg", "quality": 95}).image.astype(int) - red).max() < 8


def test_downscaling_takes_means():
    image = noise(8, 8, 1, np.uint16)
    changed = apply(image, {"op": "downscale", "factor": 64}).image
    assert np.ptp(changed) == 0
    assert abs(int(changed[0, 0, 0]) - image.mean()) <= 1
    pairs = np.repeat(np.repeat(noise(4, 4), 2, axis=0), 2, axis=1)
    once = apply(pairs, {"op": "downscale", "factor": 2}).image
    assert np.array_equal(once[[0, 0, -1, -1], [0, -1, 0, -1]], pairs[[0, 0, -1, -1], [0, -1, 0, -1]])


@pytest.mark.parametrize("fill", ["zero", "mean", "noise"])
def test_erasing_hides_a_rectangle_of_the_area(fill):
    image = np.full((60, 80, 3), 101, np.uint8)
    image[::2] = 103
    for index in range(20):
        step = {"op": "erase", "area": 0.2, "aspect": [0.5, 2], "fill": fill}
        hidden = (apply(image, step, index=index).image != image).any(axis=2)
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height * width == pytest.approx(0.2 * 60 * 80, rel=0.06)
        assert 0.45 < width / height < 2.2
        assert hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.99


def test_erasing_fills_with_what_it_is_told_to():
    image = noise(40, 40)
    whole = {"op": "erase", "area": 1, "aspect": 1}
    assert not apply(image, {**whole, "fill": "zero"}).image.any()
    mean = apply(image, {**whole, "fill": "mean"}).image
    assert np.array_equal(mean[0, 0], np.rint(image.mean(axis=(0, 1))))
    assert np.ptp(mean, axis=(0, 1)).max() == 0
    levels = apply(np.zeros((200, 200, 1), np.uint8), {**whole, "fill": "noise"}).image
    assert levels.min() == 0
    assert levels.max() == 255
    assert levels.mean() == pytest.approx(127.5, abs=2)


def test_a_cutout_may_hang_over_the_edge():
    image = np.full((20, 30, 1), 9, np.uint8)
    sizes = set()
    for index in range(100):
        hidden = apply(image, {"op": "cutout", "side": 0.5, "fill": 1.0}, index=index).image[..., 0] == 255
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        assert hidden.sum() == len(rows) * len(columns)
        sizes.add((len(rows), len(columns)))
    assert max(sizes) == (10, 10)
    assert min(rows for rows, _ in sizes) <= 6
    assert all(rows >= 5 and columns >= 5 for rows, columns in sizes)


def test_as_many_squares_are_cut_out_as_asked_for():
    image = np.full((400, 400, 1), 9, np.uint8)
    shares = [
        (apply(image, {"op": "cutout", "side": 0.05, "count": count}, seed=4).image == 0).mean() for count in (1, 4, 16)
    ]
    assert np.allclose(np.array(shares) / 0.05**2, [1, 4, 16], rtol=0.3)


def test_a_grid_hides_its_share_in_even_distances():
    image = np.full((120, 160, 3), 9, np.uint8)
    for index in range(10):
        hidden = (apply(image, {"op": "grid_mask", "unit": 0.25, "ratio": 0.4}, index=index).image == 0).all(axis=2)
        assert hidden.mean() == pytest.approx(0.16, abs=0.03)
        starts = np.flatnonzero(np.diff(hidden.any(axis=1).astype(int)) == 1)
        assert set(np.diff(starts)) == {30}
    assert not apply(image, {"op": "grid_mask", "ratio": 1}).image.any()


def test_records_get_noise_of_their_own():
    image = np.full((20, 20, 1), 100, np.uint8)
    one, other = (apply(image, {"op": "gaussian_noise"}, index=index).image for index in (0, 1))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ("autocontrast", "cutoff", 0.5),
        ("clahe", "clip_limit", 0),
        ("clahe", "tiles", 0),
        ("gaussian_blur", "sigma", -1),
        ("motion_blur", "length", 1000),
        ("sharpen", "sigma", 0),
        ("gaussian_noise", "deviation", [0.2, 0.1]),
        ("salt_and_pepper", "share", 1.1),
        ("jpeg", "quality", 0),
        ("jpeg", "quality", 50.5),
        ("downscale", "factor", 0.5),
        ("erase", "fill", "pink"),
        ("erase", "aspect", 0),
        ("cutout", "count", 17),
        ("grid_mask", "unit", 0),
        ("elastic", "smoothness", 0),
        ("grid_distortion", "cells", 0),
        ("optical", "strength", 0.3),
        ("mixup", "alpha", -1),
        ("mosaic", "x", 1.5),
    ],
)
def test_bad_parameters_are_refused(operation, field, value):
    with pytest.raises(InvalidField) as refusal:
        image_policy({"steps": [{"op": operation, field: value}]})
    assert refusal.value.metadata["field"] == f"policy.steps[0].{field}"
