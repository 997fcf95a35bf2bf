"""Boxes in the forms that data sets come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmill.kinds.boxes import FORMATS, from_corners, to_corners
from synthmill.runtime.errors import InvalidField

SIZE = (100, 200)
CORNERS = [[20, 10, 60, 40], [0, 0, 200, 100]]


@pytest.mark.parametrize(
    ("box_format", "boxes"),
    [
        ("voc", CORNERS),
        ("coco", [[20, 10, 40, 30], [0, 0, 200, 100]]),
        ("yolo", [[0.2, 0.25, 0.2, 0.3], [0.5, 0.5, 1, 1]]),
    ],
)
def test_cases(box_format, boxes):
    assert to_corners(np.array(boxes), box_format, SIZE) == pytest.approx(np.array(CORNERS))
    assert from_corners(np.array(CORNERS), box_format, SIZE) == pytest.approx(np.array(boxes))
    assert to_corners([], box_format, SIZE).shape == from_corners([], box_format, SIZE).shape == (0, 4)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(FORMATS), st.tuples(*[st.floats(0, 0.9)] * 4), st.integers(1, 4000), st.integers(1, 4000))
def test_there_and_back(box_format, shares, height, width):
    left, top, right, bottom = shares[0] * width, shares[1] * height, width, height
    boxes = np.float32([[left, top, left + (right - left) * shares[2], top + (bottom - top) * shares[3]]])
    back = to_corners(from_corners(boxes, box_format, (height, width)), box_format, (height, width))
    assert np.allclose(back, boxes, atol=1e-3 * max(height, width))


def test_shares_that_end_a_hair_beyond_the_edge_end_at_it():
    assert to_corners([[0.5, 0.5, 1.000001, 1]], "yolo", SIZE).tolist() == [[0, 0, 200, 100]]


@pytest.mark.parametrize(
    ("boxes", "box_format", "field"),
    [([[0, 0, 1, 1]], "pascal", "box_format"), ([[0, 0, 1]], "voc", "boxes"), ([["a"] * 4], "coco", "boxes")],
)
def test_others_are_refused(boxes, box_format, field):
    with pytest.raises(InvalidField) as refusal:
        to_corners(boxes, box_format, SIZE)
    assert refusal.value.metadata["field"] == field
