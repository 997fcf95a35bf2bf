"""Parquet files with images."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.kinds.image.collect.sources import collected, placed
from unit.kinds.image.drawing import encode, grey

from synthmill.kinds.base import CollectLimits
from synthmill.runtime.errors import BadData, InvalidField

PNGS = [encode(grey(seed=seed)) for seed in range(4)]
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def save(path, metadata=None, **columns):
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    pq.write_table(table, path)
    return path


def structs(pngs):
    return pa.array([{"bytes": png, "path": None} for png in pngs], STRUCT)


@pytest.mark.parametrize(
    "column", [structs(PNGS), pa.array(PNGS), pa.array(PNGS, pa.large_binary())], ids=["struct", "bytes", "large"]
)
def test_image_column_is_found(tmp_path, column):
    items, _ = collected(save(tmp_path / "a.parquet", picture=column, label=[0, 1, 0, 1]))
    assert [item.payload for item in items] == PNGS
    assert [item.label for item in items] == ["0", "1", "0", "1"]


def test_declared_classes_give_names(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    found = placed(save(tmp_path / "a.parquet", features, image=structs(PNGS), label=[0, 1, 1, 0]))
    assert [label for label, _ in found.values()] == ["cat", "dog", "dog", "cat"]


def test_label_outside_the_declared_classes_is_rejected_by_row(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    items, rejections = collected(save(tmp_path / "a.parquet", features, image=structs(PNGS), label=[0, 2, -1, 1]))
    assert len(items) == 2
    assert [(r.source, r.reason) for r in rejections] == [("a.parquet[1]", "BAD_LABEL"), ("a.parquet[2]", "BAD_LABEL")]


def test_null_label_is_no_label(tmp_path):
    found = placed(save(tmp_path / "a.parquet", image=pa.array(PNGS), label=pa.array(["a", None, "b", "a"])))
    assert [label for label, _ in found.values()] == ["a", None, "b", "a"]


def test_label_column_can_be_named_or_left_out(tmp_path):
    source = save(tmp_path / "a.parquet", image=structs(PNGS), label=[0, 0, 0, 0], fine=["a", "b", "c", "d"])
    assert [label for label, _ in placed(source, "fine").values()] == ["a", "b", "c", "d"]
    assert {label for label, _ in placed(source, "none").values()} == {None}
    with pytest.raises(InvalidField, match="label_from: got 'coarse', allowed: none, label, fine"):
        placed(source, "coarse")


def test_split_column_gives_the_split(tmp_path):
    found = placed(save(tmp_path / "a.parquet", image=pa.array(PNGS), split=["train", "test", "val", "train"]))
    assert [split for _, split in found.values()] == ["train", "test", "validation", "train"]


def test_folder_of_files_gives_the_split_by_name(tmp_path):
    (tmp_path / "data").mkdir()
    save(tmp_path / "data/train-00000-of-00001.parquet", image=structs(PNGS[:3]), label=[0, 1, 0])
    save(tmp_path / "data/test-00000-of-00001.parquet", image=structs(PNGS[3:]), label=[1])
    assert sorted(split for _, split in placed(tmp_path).values()) == ["test", "train", "train", "train"]


def test_rows_without_bytes_are_read_by_path_inside_the_folder_only(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/1.png").write_bytes(PNGS[0])
    (tmp_path / "secret.png").write_bytes(PNGS[1])
    paths = ["1.png", "../secret.png", "gone.png", None]
    column = pa.array([{"bytes": None, "path": path} for path in paths], STRUCT)
    items, rejections = collected(save(tmp_path / "set/a.parquet", image=column))
    assert [item.payload.name for item in items] == ["1.png"]
    assert [rejection.reason for rejection in rejections] == ["UNSAFE_PATH", "MISSING", "MISSING"]


def test_row_over_the_limit_is_too_large(tmp_path):
    source = save(tmp_path / "a.parquet", image=pa.array([b"x" * 200, PNGS[0]]))
    items, rejections = collected(source, limits=CollectLimits(item_bytes=199))
    assert len(items) == 1
    assert [rejection.reason for rejection in rejections] == ["TOO_LARGE"]


def test_table_without_images_is_bad_data(tmp_path):
    with pytest.raises(BadData, match="no column of image bytes among age, name"):
        collected(save(tmp_path / "a.parquet", age=[1], name=["x"]))


def test_damaged_file_is_bad_data(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(BadData, match="damaged"):
        collected(tmp_path / "a.parquet")
