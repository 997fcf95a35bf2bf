"""Examples that are not what they should be are refused, and the field is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from unit.kinds.augmentation.pictures import example, noise

from synthmill.kinds.image.augmentation.example import Example, require_valid
from synthmill.runtime.errors import InvalidField

GOOD = example(noise(6, 8))


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("image", np.zeros((0, 8, 3), np.uint8), "image"),
        ("image", np.zeros((6, 0, 3), np.uint8), "image"),
        ("image", np.zeros((1, 50_000, 1), np.uint8), "image"),
        ("image", np.zeros((6, 8), np.uint8), "image"),
        ("image", np.zeros((6, 8, 4), np.uint8), "image"),
        ("image", np.zeros((6, 8, 3), np.float32), "image"),
        ("image", np.zeros((6, 8, 3), np.int16), "image"),
        ("label", np.float32([0.5, 0.6]), "label"),
        ("label", np.float32([0.5, np.nan]), "label"),
        ("label", np.float32([-0.5, 1.5]), "label"),
        ("label", np.float32([]), "label"),
        ("label", np.float32([[1.0]]), "label"),
        ("label", np.int64([0, 1]), "label"),
        ("label", np.array(["cat"]), "label"),
        ("mask", np.zeros((6, 7), np.uint8), "mask"),
        ("mask", np.zeros((6, 8), np.int64), "mask"),
        ("mask", np.zeros((6, 8), bool), "mask"),
        ("boxes", np.float32([[0, 0, 8, 7]]), "boxes[0]"),
        ("boxes", np.float32([[0, 0, 1, 1], [-1, 0, 2, 2]]), "boxes[1]"),
        ("boxes", np.float32([[0, np.nan, 2, 2]]), "boxes[0]"),
        ("boxes", np.float32([[0, 0, np.inf, 2]]), "boxes[0]"),
        ("boxes", np.float32([[0, 0, 2, 2], [3, 3, 3, 4]]), "boxes[1]"),
        ("boxes", np.float32([[3, 3, 1, 4]]), "boxes[0]"),
        ("boxes", np.float32([0, 0, 2, 2]), "boxes"),
        ("boxes", np.array([[0, 0, 2, 2]]), "boxes"),
        ("box_labels", np.arange(4), "box_labels"),
        ("box_labels", np.arange(5, dtype=np.float32), "box_labels"),
        ("keypoints", np.float32([[0, 7]]), "keypoints[0]"),
        ("keypoints", np.float32([[np.nan, 1]]), "keypoints[0]"),
        ("keypoints", np.float32([[1, 1, 2]]), "keypoints"),
        ("keypoint_labels", np.arange(5), "keypoint_labels"),
    ],
)
def test_what_is_wrong_is_named(name, value, field):
    changed = dataclasses.replace(GOOD, **{name: value})
    if name == "image":
        changed = Example(value)
    if name == "boxes":
        changed = dataclasses.replace(changed, box_labels=None)
    if name == "keypoints":
        changed = dataclasses.replace(changed, keypoint_labels=None)
    with pytest.raises(InvalidField) as refusal:
        require_valid(changed)
    assert refusal.value.metadata["field"] == field


def test_labels_without_what_they_label_are_refused():
    with pytest.raises(InvalidField, match="box_labels"):
        require_valid(Example(noise(6, 8), box_labels=np.arange(1)))


def test_the_number_of_classes_counts():
    require_valid(GOOD, 4)
    with pytest.raises(InvalidField, match="label"):
        require_valid(GOOD, 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("mask", [np.uint8, np.uint16, np.int32])
def test_what_is_right_is_taken(dtype, mask):
    taken = dataclasses.replace(GOOD, image=noise(6, 8, 1, dtype), mask=np.zeros((6, 8), mask))
    assert require_valid(taken) is None


def test_nothing_to_find_is_a_target_too():
    none = np.empty((0, 4), np.float32)
    taken = Example(noise(6, 8), boxes=none, box_labels=np.empty(0, np.int64), keypoints=none[:, :2])
    assert require_valid(taken) is None
