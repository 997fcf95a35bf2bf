"""Which records a step sees depends on seed and position alone, and every record has its turn."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.learning.data import Order, load, make_order, open_columns
from synthmill.runtime.errors import BadData, InvalidField

EXPECTED = {"image": (np.dtype(np.uint8), (2, 2, 1))}


def columns(count=10, labels=None):
    found = {"image": np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2, 1)}
    return found if labels is None else found | {"label": np.asarray(labels, np.int64)}


def write(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in arrays}


def test_every_record_comes_once_before_any_comes_again():
    order = Order(3, [np.arange(10)])
    laps = order.take(0, 30).reshape(3, 10)
    assert [sorted(lap) for lap in laps.tolist()] == [list(range(10))] * 3
    assert len({tuple(lap) for lap in laps.tolist()}) == 3


def test_stream_does_not_depend_on_how_it_is_read():
    groups = [np.arange(7), np.arange(7, 9)]
    whole = Order(3, groups).take(0, 60)
    pieces = Order(3, groups)
    backwards = [pieces.take(start, 10) for start in range(50, -1, -10)]
    assert (np.concatenate(backwards[::-1]) == whole).all()


def test_seeds_give_different_streams():
    assert (Order(3, [np.arange(50)]).take(0, 50) != Order(4, [np.arange(50)]).take(0, 50)).any()


def test_rare_classes_come_as_often_as_common_ones():
    labels = [0] * 95 + [1] * 4 + [3]
    given = columns(100, labels)
    rows = make_order(given, 0, 4, "balanced").take(0, 300)
    assert np.bincount(given["label"][rows], minlength=4).tolist() == [100, 100, 0, 100]
    assert len(set(rows[given["label"][rows] == 0])) == 95


def test_without_balance_classes_come_as_they_are():
    labels = [0] * 9 + [1]
    given = columns(10, labels)
    rows = make_order(given, 0, 2, "natural").take(0, 100)
    assert np.bincount(given["label"][rows]).tolist() == [90, 10]


@pytest.mark.parametrize(
    ("class_weights", "expected"),
    [("3,0,1,1", [3 / 5, 0, 1 / 5, 1 / 5]), ("square_root", [9 / 14, 4 / 14, 0, 1 / 14])],
)
def test_weights_say_how_often_a_class_comes(class_weights, expected):
    labels = [0] * 81 + [1] * 16 + [3] if class_weights == "square_root" else [0] * 8 + [1] * 2 + [2] * 3 + [3]
    given = columns(len(labels), labels)
    rows = make_order(given, 0, 4, class_weights).take(0, 20_000)
    np.testing.assert_allclose(np.bincount(given["label"][rows], minlength=4) / 20_000, expected, atol=0.01)


def test_a_weighted_stream_does_not_depend_on_how_it_is_read():
    given = columns(12, [0] * 8 + [1] * 4)
    whole = make_order(given, 3, 2, "1,5").take(0, 9000)
    order = make_order(given, 3, 2, "1,5")
    assert (np.concatenate([order.take(start, 100) for start in range(8900, -1, -100)][::-1]) == whole).all()


@pytest.mark.parametrize("class_weights", ["", "even", "1,2", "1,2,3,4", "1,nan,1", "1,-1,1", "0,0,5"])
def test_weights_that_fit_no_classes_are_refused(class_weights):
    with pytest.raises(InvalidField, match="class_weights"):
        make_order(columns(4, [0, 0, 1, 1]), 0, 3, class_weights)


def test_load_keeps_the_order_of_rows_and_repeats_them(tmp_path):
    paths = write(tmp_path, columns(10, np.arange(10)))
    opened = open_columns(paths, EXPECTED, 10)
    batch = load(opened, np.array([7, 2, 7]))
    assert batch["label"].tolist() == [7, 2, 7]
    assert batch["image"][:, 0, 0, 0].tolist() == [28, 8, 28]


@pytest.mark.parametrize(
    ("arrays", "label_count", "message"),
    [
        (columns(labels=[0] * 9), 2, "same number of records"),
        (columns(count=0), 0, "at least one"),
        (columns(), 2, "expected image, label"),
        (columns(labels=[0] * 10), 0, "expected image"),
        (columns(labels=[0] * 9 + [2]), 2, "labels from 0 to 2, allowed: 0 to 1"),
        (columns(labels=[0] * 9 + [-1]), 2, "labels from -1 to 0"),
        ({"image": np.zeros((10, 2, 3, 1), np.uint8)}, 0, r"'image' holds uint8 \[2, 3, 1\]"),
        ({"image": np.zeros((10, 2, 2, 1), np.float32)}, 0, "'image' holds float32"),
    ],
    ids=["lengths", "empty", "no-labels", "labels-unnamed", "label-too-high", "label-negative", "shape", "dtype"],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, label_count, message):
    with pytest.raises(BadData, match=message):
        open_columns(write(tmp_path, arrays), EXPECTED, label_count)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_array_is_refused_by_name(tmp_path, content):
    (tmp_path / "image.npy").write_bytes(content)
    with pytest.raises(BadData, match="column 'image' is no array"):
        open_columns({"image": tmp_path / "image.npy"}, EXPECTED, 0)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadData, match="column 'image' is no array"):
        open_columns({"image": tmp_path / "image.npy"}, EXPECTED, 0)
