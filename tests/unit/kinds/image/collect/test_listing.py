"""CSV files of paths and labels."""

from __future__ import annotations

import pytest
from unit.kinds.image.collect.sources import collected, placed
from unit.kinds.image.drawing import encode, grey

from synthmill.kinds.base import CollectLimits
from synthmill.runtime.errors import BadData, InvalidField


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set/images").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"set/images/{number}.png").write_bytes(encode(grey(seed=number)))
    (tmp_path / "secret.png").write_bytes(encode(grey(seed=9)))
    return tmp_path / "set"


def write(folder, text):
    path = folder / "list.csv"
    path.write_text(text)
    return path


def labels(source, label_from=""):
    return [label for label, _ in placed(source, label_from).values()]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nimages/0.png,cat\nimages/1.png,dog\n",
        "label,file_name\ncat,images/0.png\ndog,images/1.png\n",
        "\ufeffpath,animal\nimages/0.png,cat\nimages/1.png,dog\n",
        "images/0.png,cat\nimages/1.png,dog\n",
        'path,label\n"images/0.png","cat"\n\nimages/1.png, dog\n',
    ],
    ids=["usual", "other-order", "only-other-column", "no-header", "quoted"],
)
def test_paths_and_labels_are_found(folder, text):
    items, rejections = collected(write(folder, text))
    assert rejections == []
    assert [(item.payload.name, item.label) for item in items] == [("0.png", "cat"), ("1.png", "dog")]


def test_label_column_can_be_named_or_left_out(folder):
    source = write(folder, "path,label,breed\nimages/0.png,cat,siamese\n")
    assert labels(source, "breed") == ["siamese"]
    assert labels(source, "none") == [None]
    with pytest.raises(InvalidField, match="label_from: got 'colour', allowed: none, label, breed"):
        labels(source, "colour")
    with pytest.raises(InvalidField, match="label_from: got 'folder'"):
        labels(source, "folder")


def test_empty_cell_is_no_label(folder):
    assert labels(write(folder, "path,label\nimages/0.png,cat\nimages/1.png,\n")) == ["cat", None]


def test_split_column_gives_the_split(folder):
    source = write(folder, "path,label,split\nimages/0.png,cat,train\nimages/1.png,cat,test\n")
    assert [split for _, split in placed(source).values()] == ["train", "test"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.png", "UNSAFE_PATH"),
        ("/etc/passwd", "UNSAFE_PATH"),
        ("images/9.png", "MISSING"),
        ("", "MISSING"),
        ("images", "MISSING"),
    ],
)
def test_bad_path_is_rejected_by_line_and_the_rest_is_kept(folder, path, reason):
    items, rejections = collected(write(folder, f"path,label\n{path},cat\nimages/1.png,dog\n"))
    assert [item.label for item in items] == ["dog"]
    assert [(r.source, r.reason) for r in rejections] == [(f"list.csv:2 {path}", reason)]


def test_link_that_leaves_the_folder_is_rejected(folder):
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    _, rejections = collected(write(folder, "path,label\nlink.png,cat\n"))
    assert [rejection.reason for rejection in rejections] == ["UNSAFE_PATH"]


def test_file_over_the_limit_is_too_large(folder):
    _, rejections = collected(write(folder, "path,label\nimages/0.png,cat\n"), limits=CollectLimits(item_bytes=10))
    assert [rejection.reason for rejection in rejections] == ["TOO_LARGE"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"age,name\n3,x\n", "no column of paths among age, name"),
        (b"path,label\n\xff\xfe,cat\n", "UTF-8"),
    ],
    ids=["empty", "no-paths", "not-text"],
)
def test_file_that_is_no_list_is_bad_data(folder, data, message):
    (folder / "list.csv").write_bytes(data)
    with pytest.raises(BadData, match=message):
        collected(folder / "list.csv")
