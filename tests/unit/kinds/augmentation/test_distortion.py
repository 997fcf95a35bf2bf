"""Fields are smooth, move targets as they move pixels, and never fold."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from unit.kinds.augmentation.pictures import DTYPES, apply, equal, example, marked, noise, pictures
from unit.kinds.augmentation.test_geometry import assert_box_holds, assert_mask_agrees

from synthmill.kinds.image.augmentation.example import Example, require_valid
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.work import _against

NAMES = ("elastic", "grid_distortion", "optical")
STRONG = [
    {"op": "elastic", "strength": 0.1},
    {"op": "elastic", "strength": 0.5, "smoothness": 0.05},
    {"op": "grid_distortion", "strength": 0.5},
    {"op": "grid_distortion", "strength": 0.5, "cells": 1},
    {"op": "grid_distortion", "strength": 0.5, "cells": 12},
    {"op": "optical", "strength": 0.2},
    {"op": "optical", "strength": -0.2},
]


def field(given_step: dict[str, object], size: tuple[int, int], seed: int = 0) -> np.ndarray:
    operation = OPERATIONS[given_step["op"]]
    rest = {name: value for name, value in given_step.items() if name not in ("op", "strength")}
    generator = np.random.default_rng(seed)
    values = {"strength": given_step["strength"]}
    return operation.displace(operation.parameters(**rest), values, size, generator)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_no_strength_changes_nothing(name, dtype):
    record = example(noise(17, 23, dtype=dtype))
    assert equal(apply(record, {"op": name, "strength": 0}, min_visible=1.0), record)


@pytest.mark.parametrize("given_step", STRONG, ids=lambda given_step: " ".join(map(str, given_step.values())))
@pytest.mark.parametrize("size", [(60, 80), (7, 200), (1, 1)])
def test_no_field_is_so_steep_that_it_folds(given_step, size):
    for seed in range(5):
        moved = field(given_step, size, seed)
        assert moved.shape == (*size, 2)
        assert moved.dtype == np.float32
        slopes = np.stack([np.diff(moved, axis=1)[:-1], np.diff(moved, axis=0)[:, :-1]], axis=-1)
        assert np.linalg.norm(slopes, ord=2, axis=(2, 3)).max(initial=0) < 0.65


def test_strength_is_the_longest_way():
    moved = field({"op": "elastic", "strength": 0.03}, (100, 140))
    assert np.hypot(*moved.transpose(2, 0, 1)).max() == pytest.approx(3, rel=0.02)
    corner = field({"op": "optical", "strength": 0.1}, (100, 140))[0, 0]
    assert np.allclose(corner, [-7, -5], atol=0.2)
    nodes = field({"op": "grid_distortion", "strength": 0.1, "cells": 4}, (101, 101))[::25, ::25]
    assert 1.5 < np.abs(nodes).max() <= 0.1 * 101 / 4 + 0.1


def test_places_are_found_again_against_the_field():
    points = np.random.default_rng(0).uniform(0, 80, (200, 2))
    for given_step in STRONG:
        moved = field(given_step, (80, 80))
        places = _against(moved, points)
        at = (places - 0.5).astype(np.float32)
        way = cv2.remap(moved, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(places + way.reshape(-1, 2) - points).max() < 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", [None, "rotate", "perspective"])
def test_targets_move_with_pixels(name, before):
    record = marked(40, 60, (8, 12, 27, 30))
    steps = [{"op": before}, {"op": name}] if before else [{"op": name}]
    for index in range(30):
        moved = apply(record, *steps, index=index, min_visible=0.0)
        require_valid(moved)
        assert_box_holds(moved)
        assert_mask_agrees(moved)


@pytest.mark.parametrize("name", NAMES)
def test_keypoints_move_with_pixels(name):
    image = np.zeros((40, 60, 1), np.uint8)
    image[15:20, 31:36] = 255
    for index in range(20):
        moved = apply(Example(image, keypoints=np.float32([[33.5, 17.5]])), {"op": name}, index=index)
        ((x, y),) = moved.keypoints
        assert moved.image[int(y), int(x), 0] > 100


def test_as_many_boxes_as_there_may_be():
    boxes = np.tile(np.float32([[2, 3, 9, 12]]), (3000, 1))
    moved = apply(Example(noise(20, 30), boxes=boxes), {"op": "elastic"})
    assert moved.boxes.shape == (3000, 4)
    assert np.ptp(moved.boxes, axis=0).max() == 0


@pytest.mark.parametrize("name", NAMES)
@given(image=pictures)
@settings(max_examples=15, deadline=None)
def test_any_image_keeps_its_shape(name, image):
    record, before = example(image), image.copy()
    moved = apply(record, {"op": name}, seed=5)
    require_valid(moved, 4)
    assert moved.image.dtype == image.dtype
    assert moved.image.shape == image.shape
    assert np.array_equal(image, before)
    assert equal(apply(record, {"op": name}, seed=5), moved)
