"""Operations that move pixels do what they say, and move targets as they move pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from unit.kinds.augmentation.pictures import DTYPES, apply, equal, example, marked, noise, pictures

from synthmill.kinds.image.augmentation.example import Example, require_valid
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.operations.base import Geometry
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.runtime.errors import InvalidField

GEOMETRY = [name for name, operation in OPERATIONS.items() if isinstance(operation, Geometry)]
SMALL = {
    "crop": {"height": 20, "width": 30},
    "centre_crop": {"height": 20, "width": 30},
    "resize": {"height": 23, "width": 31},
    "letterbox": {"height": 50, "width": 31},
    "pad": {"left": [0, 5], "top": [0, 6], "right": [0, 7], "bottom": [0, 8]},
}
NOTHING = [
    {"op": "quarter_turn", "turns": 0},
    {"op": "rotate", "degrees": 0},
    {"op": "rotate", "degrees": 360},
    {"op": "shear", "x": 0, "y": 0},
    {"op": "translate", "x": 0, "y": 0},
    {"op": "scale", "factor": 1},
    {"op": "perspective", "strength": 0},
    {"op": "crop", "height": 17, "width": 23},
    {"op": "centre_crop", "height": 17, "width": 23},
    {"op": "resize", "height": 17, "width": 23},
    {"op": "letterbox", "height": 17, "width": 23},
    {"op": "pad"},
]


def step(name: str) -> dict[str, object]:
    return {"op": name, **SMALL.get(name, {})}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given_step", NOTHING, ids=lambda given_step: " ".join(map(str, given_step.values())))
def test_no_strength_changes_nothing(given_step, dtype):
    record = example(noise(17, 23, dtype=dtype))
    assert equal(apply(record, given_step, min_visible=1.0), record)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_angles_and_mirrors_only_move_pixels(dtype, channels):
    image = noise(5, 7, channels, dtype)
    assert np.array_equal(apply(image, {"op": "horizontal_flip"}).image, image[:, ::-1])
    assert np.array_equal(apply(image, {"op": "vertical_flip"}).image, image[::-1])
    assert np.array_equal(apply(image, {"op": "transpose"}).image, image.transpose(1, 0, 2))
    for turns in range(4):
        assert np.array_equal(apply(image, {"op": "quarter_turn", "turns": turns}).image, np.rot90(image, turns))
    square = noise(6, 6, channels, dtype)
    assert np.array_equal(apply(square, {"op": "rotate", "degrees": 90}).image, np.rot90(square))


def test_whole_pixels_are_shifted_exactly():
    image = noise(10, 20)
    moved = apply(image, {"op": "translate", "x": 0.1, "y": -0.3}).image
    assert np.array_equal(moved[:7, 2:], image[3:, :-2])
    assert not moved[7:].any()
    assert not moved[:, :2].any()


def test_windows_and_borders_are_where_they_should_be():
    image = noise(6, 8)
    padded = apply(image, {"op": "pad", "left": 1, "top": 2, "right": 3, "bottom": 4}, fill=1.0).image
    assert padded.shape == (12, 12, 3)
    assert np.array_equal(padded[2:8, 1:9], image)
    assert padded[:2].min() == padded[8:].min() == padded[:, :1].min() == padded[:, 9:].min() == 255
    assert np.array_equal(apply(image, {"op": "centre_crop", "height": 2, "width": 4}).image, image[2:4, 2:6])
    boxed = apply(image, {"op": "letterbox", "height": 12, "width": 8}).image
    assert np.array_equal(boxed[3:9], image)
    assert not boxed[:3].any()
    assert not boxed[9:].any()


def test_shrinking_takes_means():
    image = noise(8, 12, dtype=np.uint16)
    shrunk = apply(image, {"op": "resize", "height": 4, "width": 6}).image
    means = image.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - means).max() <= 1


def test_enlarging_keeps_every_pixel_in_its_place():
    image = noise(4, 5)
    large = apply(image, {"op": "resize", "height": 12, "width": 15}).image
    assert np.array_equal(large[1::3, 1::3], image)


def test_crops_lie_anywhere():
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    seen = {int(apply(image, {"op": "crop", "height": 1, "width": 1}, index=i).image[0, 0, 0]) for i in range(200)}
    assert seen == set(range(9))


def test_small_images_lie_anywhere_in_a_crop():
    image = np.full((1, 1, 1), 9, np.uint8)
    places = {int(apply(image, {"op": "crop", "height": 2, "width": 2}, index=i).image.argmax()) for i in range(50)}
    assert places == {0, 1, 2, 3}


@pytest.mark.parametrize("name", GEOMETRY)
def test_targets_move_with_pixels(name):
    record = marked(40, 60, (8, 12, 27, 30))
    for index in range(40):
        moved = apply(record, step(name), index=index, min_visible=0.0)
        require_valid(moved)
        assert_box_holds(moved)
        assert_mask_agrees(moved)


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip", "transpose", "quarter_turn", "crop", "pad"])
def test_boxes_are_tight_where_pixels_only_move(name):
    record = marked(40, 60, (8, 12, 27, 30))
    for index in range(20):
        moved = apply(record, step(name), index=index, min_visible=0.0)
        rows, columns = np.nonzero(moved.mask)
        expected = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        assert moved.boxes.tolist() == expected


@pytest.mark.parametrize("name", GEOMETRY)
def test_keypoints_move_with_pixels(name):
    row, column = 17, 33
    image = np.zeros((40, 60, 1), np.uint8)
    image[row - 2 : row + 3, column - 2 : column + 3] = 255
    record = Example(image, keypoints=np.float32([[column + 0.5, row + 0.5]]))
    for index in range(20):
        moved = apply(record, step(name), index=index)
        if not len(moved.keypoints):
            continue
        x, y = moved.keypoints[0]
        assert moved.image[min(int(y), len(moved.image) - 1), min(int(x), moved.image.shape[1] - 1), 0] > 100


@pytest.mark.parametrize("name", GEOMETRY)
@given(image=pictures)
@settings(max_examples=10, deadline=None)
def test_any_image_keeps_its_depth_and_channels(name, image):
    record, before = example(image), image.copy()
    moved = apply(record, step(name), seed=5)
    require_valid(moved, 4)
    assert moved.image.dtype == image.dtype
    assert moved.image.shape[2] == image.shape[2]
    assert np.array_equal(image, before)
    assert equal(apply(record, step(name), seed=5), moved)


def test_masks_keep_wide_classes():
    mask = np.arange(48, dtype=np.int32).reshape(6, 8) + 70_000
    moved = apply(Example(noise(6, 8), mask=mask), {"op": "rotate", "degrees": 30}, border="replicate")
    assert set(moved.mask.ravel()) <= set(mask.ravel())
    assert moved.mask.dtype == np.int32


def test_borders_are_as_the_policy_says():
    image, shift = noise(4, 8), {"op": "translate", "x": 0.25, "y": 0}
    assert np.array_equal(apply(image, shift, border="wrap").image[:, :2], image[:, -2:])
    assert np.array_equal(apply(image, shift, border="reflect").image[:, :2], image[:, 2:0:-1])
    assert np.array_equal(apply(image, shift, border="replicate").image[:, :2], image[:, [0, 0]])
    record = Example(image, mask=np.ones((4, 8), np.uint8))
    assert (apply(record, shift, mask_fill=7).mask[:, :2] == 7).all()


def test_a_vast_shrinking_of_a_small_image_needs_little():
    image = np.full((3, 5, 3), 200, np.uint8)
    steps = ({"op": "scale", "factor": 0.01}, {"op": "scale", "factor": 0.01}, {"op": "scale", "factor": 0.1})
    assert apply(image, *steps, border="replicate").image.tolist() == image.tolist()


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ("rotate", "degrees", [10, -10]),
        ("rotate", "degrees", 361),
        ("shear", "x", 90),
        ("scale", "factor", 0),
        ("perspective", "strength", 0.4),
        ("crop", "height", 0),
        ("resize", "width", 20_000),
        ("random_resized_crop", "area", [0, 1]),
        ("random_resized_crop", "aspect", 0),
        ("quarter_turn", "turns", 1.5),
        ("pad", "left", -1),
    ],
)
def test_bad_parameters_are_refused(operation, field, value):
    with pytest.raises(InvalidField) as refusal:
        image_policy({"steps": [{"op": operation, field: value}]})
    assert refusal.value.metadata["field"] == f"policy.steps[0].{field}"


def assert_box_holds(moved: Example) -> None:
    """Requires that what is white lies in the box, to within a pixel."""
    rows, columns = np.nonzero(moved.image[..., 0] > 127)
    if len(rows) == 0:
        return
    assert len(moved.boxes) == 1
    left, top, right, bottom = moved.boxes[0]
    assert left - 1 <= columns.min()
    assert columns.max() + 1 <= right + 1
    assert top - 1 <= rows.min()
    assert rows.max() + 1 <= bottom + 1


def assert_mask_agrees(moved: Example) -> None:
    """Requires that what is all white is marked, and what is all black is not."""
    assert moved.mask[moved.image[..., 0] == 255].all()
    assert not moved.mask[moved.image[..., 0] == 0].any()
