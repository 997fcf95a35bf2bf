"""What is left of boxes and keypoints when a picture is moved."""

from __future__ import annotations

import numpy as np
import pytest
from unit.kinds.augmentation.pictures import apply, noise

from synthmill.kinds.image.augmentation.example import Example, require_valid

SHIFT = {"op": "translate", "x": 0.5, "y": 0}


def boxed(*boxes: list[float], **more: np.ndarray) -> Example:
    return Example(noise(20, 40), boxes=np.float32(boxes), box_labels=np.arange(len(boxes)), **more)


def test_a_box_is_cut_at_the_edge_and_goes_when_too_little_is_left():
    record = boxed([0, 0, 10, 10], [16, 0, 26, 10], [19, 0, 29, 10], [30, 0, 40, 10])
    half = apply(record, SHIFT, min_visible=0.3)
    assert half.boxes.tolist() == [[20, 0, 30, 10], [36, 0, 40, 10]]
    assert half.box_labels.tolist() == [0, 1]
    assert apply(record, SHIFT, min_visible=0.0).box_labels.tolist() == [0, 1, 2]
    assert apply(record, SHIFT, min_visible=1.0).box_labels.tolist() == [0]


def test_a_turned_box_is_what_bounds_it():
    turned = apply(boxed([15, 5, 25, 15]), {"op": "rotate", "degrees": 45})
    half = 5 * 2**0.5
    assert np.allclose(turned.boxes, [[20 - half, 10 - half, 20 + half, 10 + half]])


def test_turning_there_and_back_leaves_a_box_as_it_was():
    there, back = {"op": "rotate", "degrees": 30}, {"op": "rotate", "degrees": -30}
    record = boxed([15, 5, 25, 15])
    assert np.array_equal(apply(record, there, back).boxes, record.boxes)
    assert np.array_equal(apply(record, there, {"op": "gaussian_noise"}, back).boxes, record.boxes)


def test_keypoints_go_with_their_labels():
    points = np.float32([[0, 0], [20, 20], [21, 5], [40, 20]])
    record = Example(noise(20, 40), keypoints=points, keypoint_labels=np.arange(4))
    moved = apply(record, SHIFT)
    assert moved.keypoints.tolist() == [[20, 0], [40, 20]]
    assert moved.keypoint_labels.tolist() == [0, 1]


@pytest.mark.parametrize("size", [(13, 31), (20, 40), (224, 97), (7, 7)])
def test_what_lies_on_the_edge_stays(size):
    corners = np.float32([[0, 0], [40, 0], [40, 20], [0, 20]])
    record = boxed([0, 0, 40, 20], [0, 0, 1, 1], [39, 19, 40, 20], keypoints=corners)
    moved = apply(record, {"op": "resize", "height": size[0], "width": size[1]}, min_visible=1.0)
    assert len(moved.boxes) == 3
    assert len(moved.keypoints) == 4
    turned = apply(record, {"op": "quarter_turn", "turns": 1}, {"op": "rotate", "degrees": 180}, min_visible=1.0)
    assert len(turned.boxes) == 3
    assert len(turned.keypoints) == 4


def test_a_box_that_rounding_empties_goes():
    record = boxed([0, 0, 20 + 1e-5, 10], [0, 0, np.nextafter(np.float32(20), np.float32(40)), 10])
    moved = apply(record, {"op": "translate", "x": -0.5, "y": 0}, min_visible=0.0)
    require_valid(moved)
    assert (moved.boxes[:, :2] < moved.boxes[:, 2:]).all()


def test_a_border_does_not_bring_back_what_was_cut_off():
    record = Example(np.zeros((100, 100, 1), np.uint8), boxes=np.float32([[0, 0, 50, 50]]))
    record = Example(record.image, boxes=record.boxes, keypoints=np.float32([[10, 10], [40, 40]]))
    crop = {"op": "centre_crop", "height": 50, "width": 50}
    pad = {"op": "pad", "left": 25, "top": 25, "right": 25, "bottom": 25}
    moved = apply(record, crop, pad)
    assert moved.boxes.tolist() == [[25, 25, 50, 50]]
    assert moved.keypoints.tolist() == [[40, 40]]


def test_what_lies_behind_the_eye_is_not_seen():
    record = boxed([0, 0, 40, 20], keypoints=np.float32([[0, 0], [20, 10], [40, 20]]))
    for index in range(300):
        moved = apply(record, {"op": "perspective", "strength": 0.3}, index=index, min_visible=0.0)
        require_valid(moved)
        assert len(moved.keypoints) >= 1


def test_targets_that_are_not_there_stay_away():
    moved = apply(noise(20, 40), SHIFT)
    assert moved.boxes is moved.mask is moved.keypoints is moved.label is None


def test_empty_targets_stay_empty():
    none = np.empty((0, 4), np.float32)
    moved = apply(Example(noise(20, 40), boxes=none, keypoints=none[:, :2]), {"op": "rotate"}, {"op": "elastic"})
    assert moved.boxes.shape == (0, 4)
    assert moved.keypoints.shape == (0, 2)


def test_what_one_move_has_cut_off_the_next_does_not_bring_back():
    record = Example(np.full((40, 40, 1), 99, np.uint8), boxes=np.array([[2, 2, 12, 12], [25, 5, 35, 15]], np.float32))
    there, back = {"op": "translate", "x": -0.5, "y": 0}, {"op": "translate", "x": 0.5, "y": 0}
    # Without anything between them, the two moves are one, and leave all as it was.
    assert np.array_equal(apply(record, there, back).boxes, record.boxes)
    moved = apply(record, there, {"op": "salt_and_pepper", "share": 0.1}, back)
    assert np.array_equal(moved.boxes, record.boxes[1:])
    assert not moved.image[:, :20].any()
