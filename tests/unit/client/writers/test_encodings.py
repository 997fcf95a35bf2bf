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
    writer_class = FORMATS[format_name]
    with contextlib.closing(writer_class(folder, encoding, batch.count, f"out{writer_class.suffix}")) as writer:
        writer.add(batch.rows(0, 11))
        writer.add(batch.rows(11, batch.count))
        writer.finish()
    return writer.path


def test_unknown_kind_is_stored_as_arrays(tmp_path):
    encoding = Encoding.of_model(model_pb2.Model(kind="tensor"), {})
    assert isinstance(encoding.codec, ArrayCodec)


def test_arrays_in_parquet_are_nested_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    columns = {"output": VECTORS, "label": np.arange(30) % 2}
    path = written(tmp_path, "parquet", Encoding(ArrayCodec(), {}, ("a", "b")), columns)
    stored = pq.read_table(path)["output"].to_pylist()
    np.testing.assert_array_equal(np.array(stored, np.float32), VECTORS)
    read = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    np.testing.assert_array_equal(np.array(read["output"], np.float32), VECTORS)
    assert read.features["label"].names == ["a", "b"]


def test_arrays_in_shards_are_npy_files(tmp_path):
    import tarfile

    path = written(tmp_path, "webdataset", Encoding(ArrayCodec(), {}), {"output": VECTORS})
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
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out.sha256", folder_name(label)])


def test_parquet_has_a_row_group_per_batch_and_looks_only_at_columns_where_it_pays(tmp_path):
    images = np.zeros((30, 3, 3, 1), np.uint8)
    columns = {"image": images, "label": np.arange(30) % 2, "vector": VECTORS, "score": VECTORS[:, 0, 0]}
    encoding = Encoding(ArrayCodec(), {}, ("a", "b"))
    metadata = pq.read_metadata(written(tmp_path, "parquet", encoding, columns))
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [11, 19]
    stored = [metadata.row_group(1).column(number) for number in range(metadata.num_columns)]
    facts = {
        column.path_in_schema.partition(".")[0]: (column.has_dictionary_page, column.statistics is not None)
        for column in stored
    }
    assert facts == {"image": (True, False), "label": (True, True), "vector": (False, False), "score": (False, True)}


def test_pictures_in_parquet_have_no_dictionary(tmp_path):
    columns = {"image": np.zeros((30, 3, 3, 1), np.uint8), "label": np.zeros(30, np.int64)}
    group = pq.read_metadata(written(tmp_path, "parquet", Encoding(get_kind("image"), {}, ("a",)), columns)).row_group(
        0
    )
    facts = {group.column(number).path_in_schema: group.column(number) for number in range(3)}
    assert not facts["image.bytes"].has_dictionary_page
    assert facts["image.bytes"].statistics is None
    assert facts["label"].has_dictionary_page
