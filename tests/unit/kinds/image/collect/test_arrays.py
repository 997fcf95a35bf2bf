"""NumPy archives."""

from __future__ import annotations

import numpy as np
import pytest
from unit.kinds.image.collect.sources import collected, placed
from unit.kinds.image.drawing import grey

from synthmill.kinds.base import CollectLimits
from synthmill.kinds.image.parameters import ImageImport
from synthmill.kinds.image.pixels import decode
from synthmill.runtime.errors import BadData, InvalidField, ResourceExhausted

IMAGES = np.stack([grey(seed=seed) for seed in range(6)])
LABELS = np.array([0, 1, 2, 0, 1, 2])


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("x", "y"), [("images", "labels"), ("image", "label"), ("x", "y"), ("X", "y"), ("data", "target")]
)
def test_usual_names_are_found(tmp_path, x, y):
    items, _ = collected(save(tmp_path / "a.npz", **{x: IMAGES, y: LABELS}))
    assert [item.label for item in items] == ["0", "1", "2", "0", "1", "2"]
    assert all((item.payload.array == image).all() for item, image in zip(items, IMAGES, strict=True))


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
def test_names_give_the_split(tmp_path, names):
    x_train, y_train, x_test, y_test = names
    arrays = {x_test: IMAGES[4:], y_test: LABELS[4:], x_train: IMAGES[:4], y_train: LABELS[:4]}
    found = placed(save(tmp_path / "a.npz", **arrays))
    assert list(found.values()) == [
        ("0", "train"), ("1", "train"), ("2", "train"), ("0", "train"), ("1", "test"), ("2", "test"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (IMAGES / 255.0, IMAGES),
        ((IMAGES / 127.5 - 1).astype(np.float32), IMAGES),
        (IMAGES.astype(np.int64), IMAGES),
        (IMAGES.astype(">u2") * 257, IMAGES),
        (IMAGES > 100, (IMAGES > 100) * 255),
    ],
    ids=["unit-floats", "signed-floats", "integers", "big-endian-sixteen-bits", "booleans"],
)
def test_range_is_judged_by_the_whole_array(tmp_path, images, expected):
    items, _ = collected(save(tmp_path / "a.npz", images=images))
    schema = {"height": 8, "width": 8, "channels": 1}
    decoded = [decode(item, schema, ImageImport()).columns["image"][..., 0] for item in items]
    assert (np.stack(decoded) == expected).all()


def test_channels_first_is_turned(tmp_path):
    images = np.arange(2 * 3 * 8 * 8, dtype=np.uint32).astype(np.uint8).reshape(2, 3, 8, 8)
    items, _ = collected(save(tmp_path / "a.npz", images=images))
    assert (items[1].payload.array == images[1].transpose(1, 2, 0)).all()


def test_labels_can_be_text_or_whole_floats_or_a_column(tmp_path):
    for labels, expected in (
        (np.array(["cat", "dog"]), ["cat", "dog"]),
        (np.array([b"cat", b"dog"]), ["cat", "dog"]),
        (np.array([1.0, 2.0]), ["1", "2"]),
        (np.array([[1], [2]]), ["1", "2"]),
    ):
        found = placed(save(tmp_path / "a.npz", x=IMAGES[:2], y=labels))
        assert [label for label, _ in found.values()] == expected


def test_label_array_can_be_named_or_left_out(tmp_path):
    source = save(tmp_path / "a.npz", x=IMAGES, y=LABELS, coarse=LABELS % 2)
    assert [label for label, _ in placed(source, "coarse").values()] == ["0", "1", "0", "0", "1", "0"]
    assert {label for label, _ in placed(source, "none").values()} == {None}


def test_unknown_label_array_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InvalidField, match=r"label_from: got 'z', allowed: none, x, y"):
        placed(save(tmp_path / "a.npz", x=IMAGES, y=LABELS), "z")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES, "y": LABELS[:5]}, r"y has shape \(5,\), x has 6 images"),
        ({"pictures": IMAGES}, "no array of images among pictures"),
        ({"x": LABELS}, r"x has shape \(6,\)"),
        ({"x": IMAGES.astype(np.int64) * 1000}, "numbers from"),
        ({"x": IMAGES[:0]}, r"x has shape \(0, 8, 8\)"),
        ({"x": IMAGES.astype(complex)}, "holds complex128"),
        ({"x": np.array([[["a"]]])}, "holds <U1"),
        ({"x": np.asfortranarray(IMAGES)}, "Fortran"),
    ],
    ids=["label-length", "no-images", "not-images", "range", "none", "complex", "text", "fortran"],
)
def test_bad_arrays_are_bad_data(tmp_path, arrays, message):
    with pytest.raises(BadData, match=message):
        collected(save(tmp_path / "a.npz", **arrays))


def test_pickled_objects_are_refused(tmp_path):
    with pytest.raises(BadData, match="Python objects"):
        collected(save(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object)))


def test_file_that_is_no_archive_is_bad_data(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(BadData, match="damaged"):
        collected(tmp_path / "a.npz")


def test_unpacked_size_is_limited(tmp_path):
    with pytest.raises(ResourceExhausted, match="unpacks to"):
        collected(save(tmp_path / "a.npz", x=IMAGES), limits=CollectLimits(total_bytes=100))
