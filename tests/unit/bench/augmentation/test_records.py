"""Images that are made, and labels that mixing needs."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.bench.augmentation.records import load_records, make_records, save_records, with_shares


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 40, 1), (64, 64, 3)], ids=str)
def test_images_have_the_shape_asked_for_and_are_the_same_every_time(shape):
    images = make_records(shape)["image"]
    assert (images.dtype, images.shape) == (np.uint8, (256, *shape))
    np.testing.assert_array_equal(images, make_records(shape)["image"])


def test_images_are_smooth_and_differ():
    """Pixels that touch are alike, as in a photograph and unlike in noise; those far apart are not."""
    images = make_records((64, 64, 3))["image"].astype(float)
    near = np.abs(np.diff(images, axis=2)).mean()
    far = np.abs(images[:, :, 32:] - images[:, :, :32]).mean()
    assert near < far / 3
    assert np.abs(images[1:] - images[:-1]).mean() > near


def test_large_images_are_few():
    assert len(make_records((2000, 2000, 3))["image"]) == 2


def test_labels_become_shares_of_the_classes():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    made, own = with_shares({"image": images}, 3), with_shares({"image": images, "label": np.array([2, 2, 0, 1])}, 3)
    assert made["label"].dtype == np.float32
    assert made["label"].argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert own["label"].argmax(axis=1).tolist() == [2, 2, 0, 1]
    assert own["label"].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert set(with_shares(own, 0)) == {"image"}


def test_records_come_back_from_their_file(tmp_path):
    columns = with_shares({"image": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)}, 5)
    save_records(tmp_path / "records.npz", columns)
    first, second = load_records(str(tmp_path / "records.npz"))
    np.testing.assert_array_equal(first["image"], columns["image"][0])
    assert second["label"].tolist() == [0, 1, 0, 0, 0]
