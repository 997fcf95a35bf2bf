"""Folders per class, plain and in archives."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from unit.kinds.image.collect.sources import collected, placed
from unit.kinds.image.drawing import encode, grey

from synthmill.kinds.base import CollectLimits
from synthmill.runtime.errors import BadData, InvalidField, ResourceExhausted

PNG = encode(grey())


def write_tree(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG if path.suffix == ".png" else b"text")
    return root


def write_zip(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, PNG if name.endswith(".png") else b"text")
    return path


def write_tar(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name in names:
            data = PNG if name.endswith(".png") else b"text"
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


LAYOUTS = {
    "folder-per-class": (
        ["cat/1.png", "cat/2.png", "dog/1.png"],
        {"cat/1.png": ("cat", None), "cat/2.png": ("cat", None), "dog/1.png": ("dog", None)},
    ),
    "flat": (["1.png", "2.png"], {"1.png": (None, None), "2.png": (None, None)}),
    "one-class": (["cat/1.png"], {"cat/1.png": ("cat", None)}),
    "wrapped": (
        ["animals/cat/1.png", "animals/dog/1.png"],
        {"animals/cat/1.png": ("cat", None), "animals/dog/1.png": ("dog", None)},
    ),
    "splits": (
        ["train/cat/1.png", "test/cat/2.png", "val/dog/3.png"],
        {
            "train/cat/1.png": ("cat", "train"),
            "test/cat/2.png": ("cat", "test"),
            "val/dog/3.png": ("dog", "validation"),
        },
    ),
    "one-split": (["train/cat/1.png"], {"train/cat/1.png": ("cat", "train")}),
    "splits-without-classes": (
        ["train/1.png", "test/2.png"],
        {"train/1.png": (None, "train"), "test/2.png": (None, "test")},
    ),
    "class-named-like-a-split": (
        ["test/1.png", "exam/1.png"],
        {"test/1.png": ("test", None), "exam/1.png": ("exam", None)},
    ),
    "folders-in-classes": (
        ["cat/small/1.png", "dog/1.png"],
        {"cat/small/1.png": ("cat", None), "dog/1.png": ("dog", None)},
    ),
}


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "tar.gz"])
@pytest.mark.parametrize(("names", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_folders_give_label_and_split(tmp_path, form, names, expected):
    if form == "folder":
        source = write_tree(tmp_path / "source", names)
    elif form == "zip":
        source = write_zip(tmp_path / "source.zip", names)
    else:
        source = write_tar(tmp_path / f"source.{form}", names)
    assert placed(source) == expected


def test_folder_is_read_in_order_of_name(tmp_path):
    source = write_tree(tmp_path, ["b/2.png", "a/9.png", "b/1.png", "a/10.png"])
    items, _ = collected(source)
    assert [item.source for item in items] == ["a/10.png", "a/9.png", "b/1.png", "b/2.png"]


def test_other_files_are_items_too_and_do_not_disturb_the_layout(tmp_path):
    source = write_tree(tmp_path, ["README.md", "animals/cat/1.png", "animals/dog/1.png", "animals/dog/notes.txt"])
    found = placed(source)
    assert found["README.md"] == (None, None)
    assert found["animals/cat/1.png"] == ("cat", None)
    assert found["animals/dog/notes.txt"] == ("dog", None)


def test_labels_can_be_left_out(tmp_path):
    source = write_tree(tmp_path, ["cat/1.png", "dog/1.png"])
    assert set(placed(source, "none").values()) == {(None, None)}


def test_folder_labels_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InvalidField, match="label_from") as refusal:
        placed(write_tree(tmp_path, ["1.png"]), "folder")
    assert refusal.value.metadata["value"] == "folder"


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_labels_from_a_file_by_path_name_or_stem(tmp_path, form):
    names = ["images/1.png", "images/2.png", "images/3.png", "images/4.png"]
    listing = b"id,label\nimages/1.png,cat\n2.png,dog\n3,bird\ngone.png,fish\n"
    if form == "folder":
        source = write_tree(tmp_path / "source", names)
        (source / "labels.csv").write_bytes(listing)
    else:
        source = write_zip(tmp_path / "source.zip", names)
        with zipfile.ZipFile(source, "a") as archive:
            archive.writestr("labels.csv", listing)
    items, rejections = collected(source, "labels.csv")
    assert [item.label for item in items] == ["cat", "dog", "bird", None]
    assert [(r.source, r.reason) for r in rejections] == [("gone.png", "MISSING")]


def test_label_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidField, match=r"label_from: got 'labels\.csv'"):
        placed(write_tree(tmp_path, ["1.png"]), "labels.csv")


def test_empty_folder_is_bad_data(tmp_path):
    with pytest.raises(BadData, match="empty"):
        collected(tmp_path)


def test_folder_of_empty_folders_is_bad_data(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(BadData, match="holds no files"):
        collected(tmp_path)


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/etc/out.png", "C:\\out.png", "..\\out.png"])
def test_zip_names_that_leave_it_are_rejected_by_name_and_the_rest_is_kept(tmp_path, name):
    items, rejections = collected(write_zip(tmp_path / "source.zip", [name, "cat/1.png"]))
    assert [item.source for item in items] == ["cat/1.png"]
    assert [rejection.reason for rejection in rejections] == ["UNSAFE_PATH"]
    assert "out.png" in rejections[0].source


def test_tar_names_that_leave_it_are_rejected(tmp_path):
    items, rejections = collected(write_tar(tmp_path / "source.tar", ["../out.png", "/out.png", "cat/1.png"]))
    assert [item.source for item in items] == ["cat/1.png"]
    assert [rejection.reason for rejection in rejections] == ["UNSAFE_PATH", "UNSAFE_PATH"]


def test_links_in_a_folder_are_rejected(tmp_path):
    source = write_tree(tmp_path / "source", ["cat/1.png"])
    outside = write_tree(tmp_path / "outside", ["secret.png"])
    (source / "cat/link.png").symlink_to(outside / "secret.png")
    (source / "dog").symlink_to(outside, target_is_directory=True)
    items, rejections = collected(source)
    assert [item.source for item in items] == ["cat/1.png"]
    assert {(r.source, r.reason) for r in rejections} == {("cat/link.png", "UNSAFE_PATH"), ("dog", "UNSAFE_PATH")}


def test_special_files_in_a_folder_are_rejected(tmp_path):
    source = write_tree(tmp_path / "source", ["cat/1.png"])
    os.mkfifo(source / "cat/pipe.png")
    _, rejections = collected(source)
    assert [(r.source, r.reason) for r in rejections] == [("cat/pipe.png", "UNSUPPORTED_FORMAT")]


def test_links_in_a_tar_are_rejected(tmp_path):
    path = write_tar(tmp_path / "source.tar", ["cat/1.png"])
    with tarfile.open(path, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo(f"cat/link{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    items, rejections = collected(path)
    assert [item.source for item in items] == ["cat/1.png"]
    assert [rejection.reason for rejection in rejections] == ["UNSAFE_PATH", "UNSAFE_PATH"]


def test_links_in_a_zip_are_rejected(tmp_path):
    path = write_zip(tmp_path / "source.zip", ["cat/1.png"])
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("cat/link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    _, rejections = collected(path)
    assert [(r.source, r.reason) for r in rejections] == [("cat/link.png", "UNSAFE_PATH")]


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_item_over_the_limit_is_too_large_and_never_unpacked(tmp_path, form):
    names = ["cat/1.png", "cat/2.txt"]
    source = write_zip(tmp_path / "s.zip", names) if form == "zip" else write_tar(tmp_path / "s.tar.gz", names)
    items, rejections = collected(source, limits=CollectLimits(item_bytes=len(PNG) - 1))
    assert [item.source for item in items] == ["cat/2.txt"]
    assert [(r.source, r.reason) for r in rejections] == [("cat/1.png", "TOO_LARGE")]


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_archive_that_unpacks_to_too_much_is_refused(tmp_path, form):
    names = [f"{number}.png" for number in range(10)]
    source = write_zip(tmp_path / "s.zip", names) if form == "zip" else write_tar(tmp_path / "s.tar.gz", names)
    with pytest.raises(ResourceExhausted, match="unpacks to more"):
        collected(source, limits=CollectLimits(total_bytes=5 * len(PNG)))


def test_number_of_items_is_limited(tmp_path):
    source = write_tree(tmp_path, [f"{number}.png" for number in range(10)])
    with pytest.raises(ResourceExhausted, match="more than 9 items"):
        collected(source, limits=CollectLimits(items=9))


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar", "broken.tar.gz"])
def test_damaged_archive_is_bad_data(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x1f\x8b but no archive")
    with pytest.raises(BadData, match="damaged archive"):
        collected(path)


def test_truncated_tar_is_bad_data(tmp_path):
    path = write_tar(tmp_path / "source.tar.gz", ["a/1.png", "b/2.png"])
    path.write_bytes(path.read_bytes()[:-80])
    with pytest.raises(BadData, match="damaged archive"):
        collected(path)


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_tar_with_a_damaged_header_loses_nothing_silently(tmp_path, damage):
    path = write_tar(tmp_path / "source.tar", ["a/1.png", "b/2.png"])
    data = bytearray(path.read_bytes())
    second = data.index(b"b/2.png")
    data[second] ^= 0xFF
    path.write_bytes(data if damage == "flipped" else data[:second])
    with pytest.raises(BadData, match="no header and no end mark"):
        collected(path)


def test_damaged_file_in_a_zip_is_corrupt_and_the_rest_is_kept(tmp_path):
    path = write_zip(tmp_path / "source.zip", ["cat/1.png", "cat/2.png"])
    data = bytearray(path.read_bytes())
    data[data.index(PNG) + 20] ^= 0xFF
    path.write_bytes(data)
    items, rejections = collected(path)
    assert [item.source for item in items] == ["cat/2.png"]
    assert [(r.source, r.reason) for r in rejections] == [("cat/1.png", "CORRUPT")]


def test_unknown_form_is_bad_data_that_says_what_is_allowed(tmp_path):
    path = tmp_path / "data.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(BadData, match=r"data\.xlsx.*\.parquet"):
        collected(path)
