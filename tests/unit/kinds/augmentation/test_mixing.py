"""Records that are mixed: pictures, labels, boxes, masks and keypoints go the same way."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.kinds.augmentation.pictures import augmenter, equal, example, noise, pictures

from synthmill.kinds.image.augmentation.example import Example, require_valid
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.operations.mixing import _beta
from synthmill.runtime.errors import InvalidField

NAMES = ("mixup", "cutmix", "mosaic", "copy_paste")
DRAWS = np.random.default_rng(0).random((20_000, 2))


def flat(level: int, label: int, size: tuple[int, int] = (20, 40), boxes: list[list[float]] | None = None) -> Example:
    """Returns an image of one level and its class."""
    given = np.array(boxes if boxes is not None else [], np.float32).reshape(-1, 4)
    return Example(
        np.full((*size, 1), level, np.uint8),
        label=np.eye(2, dtype=np.float32)[label],
        boxes=given,
        box_labels=np.full(len(given), label),
        mask=np.full(size, label, np.uint8),
        keypoints=given[:, :2],
    )


def mix(name: str, own: Example, *partners: Example, min_visible: float = 0.1, **values: Any) -> Example:
    """Returns a mixture with drawn values that are given."""
    operation = OPERATIONS[name]
    result = operation.combine(own, partners, operation.parameters(), values, min_visible)
    require_valid(result)
    return result


@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.5, 1.0, 3.0, 50.0])
def test_shares_are_beta_distributed(alpha):
    shares = _beta(alpha, DRAWS)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    # The fourth moment about the middle, too.
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    assert ((shares - 0.5) ** 4).mean() == pytest.approx(fourth, rel=0.05)


def test_alpha_of_one_is_uniform():
    deciles = np.histogram(_beta(1.0, DRAWS), bins=10, range=(0, 1))[0] / len(DRAWS)
    assert np.allclose(deciles, 0.1, atol=0.01)


@pytest.mark.parametrize(
    "step", [{"op": "mixup", "alpha": 0}, {"op": "cutmix", "alpha": 0}, {"op": "mosaic", "x": 1, "y": 1}]
)
def test_no_strength_changes_nothing(step):
    record = example(noise(13, 9))
    mixed = augmenter(step, pool=[example(noise(13, 9, seed=1), seed=1)], min_visible=1.0).augment([record], [0], 0)
    assert equal(mixed[0], record)


def test_copying_nothing_changes_nothing():
    record, partner = example(noise(13, 9)), example(noise(13, 9, seed=1), seed=1)
    partner = dataclasses.replace(partner, mask=np.zeros((13, 9), np.uint8))
    assert equal(mix("copy_paste", record, partner), record)


def test_mixup_blends():
    own, partner = flat(100, 0, boxes=[[0, 0, 5, 5]]), flat(200, 1, boxes=[[10, 10, 20, 20]])
    mixed = mix("mixup", own, partner, share=0.75)
    assert (mixed.image == 125).all()
    assert mixed.label.tolist() == [0.75, 0.25]
    assert mixed.boxes.tolist() == [[0, 0, 5, 5], [10, 10, 20, 20]]
    assert mixed.box_labels.tolist() == [0, 1]
    assert (mixed.mask == 0).all()
    assert (mix("mixup", own, partner, share=0.25).mask == 1).all()


def test_cutmix_shows_a_rectangle_and_counts_its_area():
    mixed = mix("cutmix", flat(100, 0), flat(200, 1), rectangle=np.array([10, 5, 30, 15]))
    assert (mixed.image[5:15, 10:30] == 200).all()
    assert (mixed.image == 200).sum() == 200
    assert mixed.label.tolist() == [0.75, 0.25]
    assert np.array_equal(mixed.mask, mixed.image[..., 0] == 200)


def test_cutmix_leaves_of_boxes_what_is_seen():
    own = [[0, 0, 8, 8], [12, 6, 20, 10], [5, 7, 15, 12], [25, 0, 40, 20], [9, 4, 31, 15], [8, 3, 31, 17]]
    partner = [[0, 0, 9, 4], [0, 0, 20, 10], [12, 6, 20, 10], [28, 6, 38, 14]]
    mixed = mix(
        "cutmix", flat(100, 0, boxes=own), flat(200, 1, boxes=partner), rectangle=np.array([10, 5, 30, 15]),
        min_visible=0.2,
    )  # fmt: skip
    left = [[0, 0, 8, 8], [5, 7, 10, 12], [25, 0, 40, 20], [8, 3, 31, 17]]
    new = [[10, 5, 20, 10], [12, 6, 20, 10], [28, 6, 30, 14]]
    assert mixed.boxes.tolist() == left + new
    assert mixed.box_labels.tolist() == [0] * 4 + [1] * 3
    # A keypoint at each upper left corner: hidden ones go, those of the partner stay where it is seen.
    assert mixed.keypoints.tolist() == [[0, 0], [5, 7], [25, 0], [9, 4], [8, 3], [12, 6], [28, 6]]


def test_cutmix_rectangles_have_the_area_of_their_share():
    operation = OPERATIONS["cutmix"]
    chances = np.random.default_rng(1).random((5000, operation.draws))
    drawn = operation.draw(operation.parameters(), chances, np.tile([200.0, 300.0], (5000, 1)))
    left, top, right, bottom = drawn["rectangle"].T
    assert min(left.min(), top.min()) == 0
    assert right.max() == 300
    assert bottom.max() == 200
    inner = (left > 0) & (top > 0) & (right < 300) & (bottom < 200)
    share = 1 - _beta(1.0, operation.extra(chances)[:, :2])
    assert np.abs((right - left) * (bottom - top) / 60_000 - share)[inner].max() < 0.01
    assert drawn["partners"].shape == (5000, 1)


def test_mosaic_shows_four():
    partners = [flat(level, 1) for level in (50, 150, 250)]
    mixed = mix("mosaic", flat(100, 0), *partners, x=0.25, y=0.5)
    assert (mixed.image[:10, :10] == 100).all()
    assert (mixed.image[:10, 10:] == 50).all()
    assert (mixed.image[10:, :10] == 150).all()
    assert (mixed.image[10:, 10:] == 250).all()
    assert mixed.label.tolist() == [0.125, 0.875]


def test_mosaic_moves_targets_with_pixels():
    image = np.zeros((40, 40, 1), np.uint8)
    image[10:20, 8:24] = 255
    one = Example(image, boxes=np.float32([[8, 10, 24, 20]]), mask=(image[..., 0] > 0).astype(np.uint8))
    for x, y in ((0.5, 0.5), (0.3, 0.6), (0.72, 0.31), (0.0, 0.5)):
        mixed = mix("mosaic", one, one, one, one, x=x, y=y, min_visible=0.0)
        column, row = round(40 * x), round(40 * y)
        for tile in ((0, 0, column, row), (column, 0, 40, row), (0, row, column, 40), (column, row, 40, 40)):
            left, top, right, bottom = tile
            rows, columns = np.nonzero(mixed.image[top:bottom, left:right, 0] > 127)
            if not len(rows):
                continue
            found = [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
            assert np.abs(mixed.boxes - found).max(axis=1).min() <= 1
        assert mixed.mask[mixed.image[..., 0] == 255].all()
        assert not mixed.mask[mixed.image[..., 0] == 0].any()


def test_what_is_marked_is_pasted():
    own = flat(100, 0, boxes=[[0, 0, 10, 10], [19, 4, 31, 16], [20, 0, 40, 20]])
    partner = flat(200, 1, boxes=[[20, 5, 30, 15], [0, 0, 10, 10]])
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 20:30] = 3
    mixed = mix("copy_paste", own, dataclasses.replace(partner, mask=mask), min_visible=0.4)
    assert np.array_equal(mixed.image[..., 0] == 200, mask == 3)
    assert np.array_equal(mixed.mask, mask)
    assert mixed.boxes.tolist() == [[0, 0, 10, 10], [20, 0, 40, 20], [20, 5, 30, 15]]
    assert mixed.box_labels.tolist() == [0, 0, 1]
    assert mixed.label.tolist() == [0.875, 0.125]
    assert mixed.keypoints.tolist() == [[0, 0], [19, 4], [20, 0], [20, 5]]


def test_without_a_mask_boxes_are_pasted():
    own, partner = flat(100, 0, boxes=[]), flat(200, 1, boxes=[[20, 5, 30, 15]])
    own, partner = (dataclasses.replace(record, mask=None) for record in (own, partner))
    mixed = mix("copy_paste", own, partner)
    assert (mixed.image[5:15, 20:30] == 200).all()
    assert (mixed.image == 200).sum() == 100
    assert mixed.boxes.tolist() == [[20, 5, 30, 15]]


def test_nothing_says_what_to_paste():
    record = Example(noise(5, 5))
    with pytest.raises(InvalidField, match="mask"):
        mix("copy_paste", record, record)


def test_partners_are_brought_to_the_size_of_the_record():
    partner = flat(200, 1, (10, 10), boxes=[[0, 0, 5, 5], [9, 9, 10, 10]])
    mixed = mix("mixup", flat(100, 0), partner, share=0.5)
    assert mixed.boxes.tolist() == [[0, 0, 20, 10], [36, 18, 40, 20]]
    assert mixed.keypoints.tolist() == [[0, 0], [36, 18]]
    assert (mixed.image == 150).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", None),
        ("boxes", None),
        ("mask", None),
        ("keypoints", None),
        ("image", noise(20, 40, 3)),
        ("image", noise(20, 40, 1, np.uint16)),
        ("label", np.float32([0.2, 0.3, 0.5])),
        ("mask", np.zeros((20, 40), np.int32)),
    ],
)
def test_records_that_are_not_alike_are_refused(name, field, value):
    own, partner = flat(100, 0), dataclasses.replace(flat(200, 1), **{field: value})
    mixing = augmenter({"op": name}, pool=[partner])
    (error,) = mixing.attempt([own], [0], 0)
    assert isinstance(error, InvalidField)
    assert error.metadata["field"] == field


@pytest.mark.parametrize("name", NAMES)
@given(image=pictures, height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_any_sizes_can_be_mixed(name, image, height, width):
    record, before = example(image), image.copy()
    pool = [example(noise(height, width, image.shape[2], image.dtype.type, seed), seed=seed) for seed in range(3)]
    kept = [dataclasses.replace(partner, image=partner.image.copy()) for partner in pool]
    mixing = augmenter({"op": name}, pool=pool)
    (mixed,) = mixing.augment([record], [7], 1)
    require_valid(mixed, 4)
    assert mixed.image.dtype == image.dtype
    assert mixed.image.shape == image.shape
    assert np.array_equal(image, before)
    assert all(equal(partner, copy) for partner, copy in zip(pool, kept, strict=True))
    assert equal(mixing.augment([record], [7], 1)[0], mixed)
