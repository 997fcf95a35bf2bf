"""Samples that are no pictures, have no labels, or have unwieldy class names."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthmill.client.batches import Batch
from synthmill.client.writers import FORMATS
from synthmill.client.writers.encoding import ArrayCodec, Encoding
from synthmill.client.writers.folder import folder_name
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import model_pb2

VECTORS = np.random.default_rng(0).normal(size=(30, 4, 2)).astype(np.float32)


def written(folder, format_name, encoding, columns):
    batch = Batch(columns)
    with contextlib.closing(FORMATS[format_name](folder, encoding, batch.count)) as writer:
        writer.add(batch.rows(0, 11))
        writer.add(batch.rows(11, batch.count))
        return [folder / file.name for file in writer.finish()]


def test_unknown_kind_is_stored_as_arrays(tmp_path):
    encoding = Encoding.of_model(model_pb2.Model(kind="tensor"), {})
    assert isinstance(encoding.codec, ArrayCodec)


def test_arrays_in_parquet_are_nested_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    columns = {"output": VECTORS, "label": np.arange(30) % 2}
    [path] = written(tmp_path, "parquet", Encoding(ArrayCodec(), {}, ("a", "b")), columns)
    stored = pq.read_table(path)["output"].to_pylist()
    np.testing.assert_array_equal(np.array(stored, np.float32), VECTORS)
    read = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    np.testing.assert_array_equal(np.array(read["output"], np.float32), VECTORS)
    assert read.features["label"].names == ["a", "b"]


def test_arrays_in_shards_are_npy_files(tmp_path):
    import tarfile

    [path] = written(tmp_path, "webdataset", Encoding(ArrayCodec(), {}), {"output": VECTORS})
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 30
        array = np.load(io.BytesIO(tar.extractfile("000000000012.output.npy").read()))
    np.testing.assert_array_equal(array, VECTORS[12])


def test_arrays_in_a_picture_folder_are_refused(tmp_path):
    with pytest.raises(InvalidField, match="no pictures"):
        written(tmp_path, "png", Encoding(ArrayCodec(), {}), {"output": VECTORS})


def test_text_in_npz_is_refused(tmp_path):
    with pytest.raises(InvalidField, match="name"):
        written(tmp_path, "npz", Encoding(ArrayCodec(), {}), {"name": np.array(["a", "b"], object)})


def test_pictures_without_labels_lie_side_by_side(tmp_path):
    images = np.zeros((30, 3, 3, 3), np.uint8)
    written(tmp_path, "png", Encoding(get_kind("image"), {}), {"image": images})
    assert len(list(tmp_path.glob("*.png"))) == 30


@pytest.mark.parametrize("label", ["../up", "a/b", ".", "..", ".hidden", "a\\b", "nul\0", "c:d", "50 %", "größe"])
def test_class_names_stay_inside_their_folder(tmp_path, label):
    encoding = Encoding(get_kind("image"), {}, (label,))
    columns = {"image": np.zeros((30, 3, 3, 1), np.uint8), "label": np.zeros(30, np.int64)}
    written(tmp_path, "png", encoding, columns)
    assert len(list((tmp_path / folder_name(label)).glob("*.png"))) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["SHA256SUMS", folder_name(label)])


def test_large_output_is_cut_into_files(tmp_path, monkeypatch):
    from synthmill.client.writers import parquet, webdataset

    monkeypatch.setattr(parquet, "_FILE_BYTES", 1)
    monkeypatch.setattr(webdataset, "_SHARD_BYTES", 1)
    columns = {"image": np.zeros((30, 3, 3, 1), np.uint8)}
    encoding = Encoding(get_kind("image"), {})
    files = written(tmp_path, "parquet", encoding, columns)
    assert [pq.read_table(path).num_rows for path in files] == [11, 19]
    assert len(written(tmp_path, "webdataset", encoding, columns)) == 30
