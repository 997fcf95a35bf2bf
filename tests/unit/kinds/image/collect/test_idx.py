"""IDX pairs, as MNIST comes."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from unit.kinds.image.collect.sources import collected, placed

from synthmill.runtime.errors import BadData, InvalidField


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_pair(folder: Path, prefix: str, count: int, labels: int | None = None, gz: bool = False) -> Path:
    images = np.arange(count * 64, dtype=np.uint32).astype(np.uint8).reshape(count, 8, 8)
    label_array = (np.arange(count if labels is None else labels) % 10).astype(np.uint8)
    ending = ".gz" if gz else ""
    pack = gzip.compress if gz else bytes
    (folder / f"{prefix}-images-idx3-ubyte{ending}").write_bytes(pack(idx_bytes(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{ending}").write_bytes(pack(idx_bytes(label_array)))
    return folder / f"{prefix}-images-idx3-ubyte{ending}"


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gz"])
def test_folder_of_two_pairs_is_train_and_test(tmp_path, gz):
    write_pair(tmp_path, "train", 5, gz=gz)
    write_pair(tmp_path, "t10k", 3, gz=gz)
    items, rejections = collected(tmp_path)
    assert rejections == []
    assert [(item.label, item.split) for item in items] == [
        *[(str(n), "train") for n in range(5)],
        *[(str(n), "test") for n in range(3)],
    ]
    assert items[1].payload.array.tolist() == np.arange(64, 128).reshape(8, 8).tolist()


def test_image_file_finds_its_label_file(tmp_path):
    items, _ = collected(write_pair(tmp_path, "train", 3))
    assert [item.label for item in items] == ["0", "1", "2"]


def test_image_file_without_label_file_has_no_labels(tmp_path):
    source = write_pair(tmp_path, "train", 3)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert {label for label, _ in placed(source).values()} == {None}


def test_labels_can_be_left_out(tmp_path):
    assert {label for label, _ in placed(write_pair(tmp_path, "train", 3), "none").values()} == {None}


def test_label_file_can_be_named(tmp_path):
    source = write_pair(tmp_path, "train", 3)
    (tmp_path / "train-labels-idx1-ubyte").rename(tmp_path / "mine.idx")
    assert [label for label, _ in placed(source, "mine.idx").values()] == ["0", "1", "2"]


@pytest.mark.parametrize("name", ["gone.idx", "../mine.idx", "folder"])
def test_label_file_that_is_not_beside_the_images_is_refused(tmp_path, name):
    with pytest.raises(InvalidField, match="label_from"):
        placed(write_pair(tmp_path, "train", 3), name)


@pytest.mark.parametrize("labels", [4, 6])
def test_label_file_of_another_length_is_bad_data_that_names_both(tmp_path, labels):
    source = write_pair(tmp_path, "train", 5, labels=labels)
    with pytest.raises(BadData, match=f"train-labels-idx1-ubyte has {labels} labels, .* has 5 images"):
        collected(source)


def test_image_file_that_is_too_short_is_bad_data(tmp_path):
    source = write_pair(tmp_path, "train", 5)
    source.write_bytes(source.read_bytes()[:-1])
    with pytest.raises(BadData, match="ends after 319 of 320 bytes"):
        collected(source)


def test_damaged_gz_is_bad_data(tmp_path):
    source = write_pair(tmp_path, "train", 500, gz=True)
    data = bytearray(source.read_bytes())
    data[-8:-4] = b"\0\0\0\0"
    source.write_bytes(data)
    with pytest.raises(BadData, match="damaged"):
        collected(source)


def test_image_file_that_is_too_long_is_bad_data(tmp_path):
    source = write_pair(tmp_path, "train", 5)
    source.write_bytes(source.read_bytes() + b"\0")
    with pytest.raises(BadData, match="has more bytes than its header announces"):
        collected(source)


def test_label_file_of_another_format_is_bad_data(tmp_path):
    source = write_pair(tmp_path, "train", 5)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"zero,one,two")
    with pytest.raises(BadData, match="no IDX file"):
        collected(source)
