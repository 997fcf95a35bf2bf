"""Imports as a user sees them: a request, a job, a dataset version and its findings."""

from __future__ import annotations

import io
import tarfile
import uuid
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from unit.catalog.calls import reason_name
from unit.kinds.image.collect.test_idx import write_pair
from unit.kinds.image.drawing import colour, encode, grey, png_header

from support.data import digits, write_folders
from synthmill.runtime.errors import AlreadyExists, InvalidField, PermissionDenied
from synthmill.v1 import catalog_service_pb2 as pb

IMAGES, LABELS = digits()


def write_archive(folder, root, form):
    path = folder / f"source.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(root.rglob("*.png")):
                archive.write(file, file.relative_to(root))
    else:
        with tarfile.open(path, "w:gz" if form == "tar.gz" else "w") as archive:
            archive.add(root, ".")
    return path


def write_form(folder, form, count):
    """Writes the first digits in a form that an import accepts."""
    images, labels = IMAGES[:count], LABELS[:count]
    if form in ("folder", "zip", "tar", "tar.gz"):
        root = write_folders(folder / "tree", images, labels)
        return root if form == "folder" else write_archive(folder, root, form)
    if form == "npz":
        np.savez(folder / "source.npz", images=images, labels=labels)
    if form == "parquet":
        table = pa.table({"image": [encode(image) for image in images], "label": labels})
        pq.write_table(table, folder / "source.parquet")
    if form == "csv":
        write_folders(folder, images, labels)
        paths = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
        (folder / "source.csv").write_text("\n".join(["path,label", *(f"{p},{p.parent}" for p in paths)]))
    return folder / f"source.{form}"


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "tar.gz", "npz", "parquet", "csv"])
def test_every_form_gives_the_same_records(calls, name, folder, form):
    dataset = calls.import_dataset(name, write_form(folder, form, 200))
    assert dataset.name == f"datasets/{name}/versions/1"
    assert dataset.kind == "image"
    assert list(dataset.labels) == [str(digit) for digit in range(10)]
    assert dict(dataset.schema) == {"height": 8.0, "width": 8.0, "channels": 1.0}
    assert {split.name: split.record_count for split in dataset.splits} == {"train": 160, "test": 40}
    assert dataset.record_count == dataset.report.seen_count == dataset.report.kept_count == 200
    assert dataset.report.dropped_count == 0
    assert len(dataset.digest) == 64
    counts = np.sum([split.class_counts for split in dataset.splits], axis=0)
    assert counts.tolist() == np.bincount(LABELS[:200]).tolist()
    assert {tuple(column.shape) for column in dataset.columns} == {(-1, 8, 8, 1), (-1,)}
    assert {artifact.name for artifact in dataset.artifacts} == {
        *[f"{split}.{file}" for split in ("train", "test") for file in ("parquet", "image.npy", "label.npy")],
        "preview.png",
    }


def test_statistics_tell_what_was_there(calls, name, folder):
    (folder / "a").mkdir()
    for seed in range(3):
        (folder / f"a/{seed}.png").write_bytes(encode(grey(seed=seed)))
    (folder / "a/3.png").write_bytes(encode(colour(16, 12)))
    dataset = calls.import_dataset(name, folder)
    assert dict(dataset.schema)["channels"] == 3
    assert dict(dataset.statistics["source_size"]) == {"8x8": 3, "16x12": 1}
    assert dict(dataset.statistics["source_mode"]) == {"L": 3, "RGB": 1}
    assert len(dataset.statistics["mean"]) == 3
    told = "\n".join(calls.messages(dataset.job))
    assert "source_size is mixed and was evened out: 8x8 (3), 16x12 (1)" in told


def test_one_class_only_is_allowed_and_told(calls, name, folder):
    dataset = calls.import_dataset(name, write_folders(folder, IMAGES[:10], np.zeros(10, int)))
    assert list(dataset.labels) == ["0"]
    assert "all records have the same label, 0" in calls.messages(dataset.job)


def test_unlabelled_source_has_no_labels_anywhere(calls, name, folder):
    np.savez(folder / "a.npz", x=IMAGES[:20])
    dataset = calls.import_dataset(name, folder / "a.npz")
    assert list(dataset.labels) == []
    assert [column.name for column in dataset.columns] == ["image"]
    assert all(list(split.class_counts) == [] for split in dataset.splits)
    assert {split.name: split.record_count for split in dataset.splits} == {"train": 16, "test": 4}


def test_splits_of_the_source_are_kept(calls, name, folder):
    np.savez(folder / "a.npz", x_train=IMAGES[:30], y_train=LABELS[:30], x_val=IMAGES[30:35], y_val=LABELS[30:35])
    dataset = calls.import_dataset(name, folder / "a.npz")
    assert {split.name: split.record_count for split in dataset.splits} == {"train": 30, "validation": 5}


def test_copies_in_another_split_are_dropped_from_the_later_one(calls, name, folder):
    np.savez(folder / "a.npz", x_test=IMAGES[:20], y_test=LABELS[:20], x_train=IMAGES[:15], y_train=LABELS[:15])
    dataset = calls.import_dataset(name, folder / "a.npz")
    assert {split.name: split.record_count for split in dataset.splits} == {"train": 15, "test": 5}
    assert dict(dataset.report.issue_counts) == {"CROSS_SPLIT_DUPLICATE": 15}


def test_parameters_and_provenance_are_stored(calls, name, folder):
    source = write_folders(folder, IMAGES[:40], LABELS[:40])
    dataset = calls.import_dataset(
        name,
        source,
        parameters={"height": 16, "width": "12", "channels": 3, "test_fraction": 0.5},
        provenance={"license": "CC0-1.0", "origin": "drawn", "consent": "given"},
    )
    assert dict(dataset.schema) == {"height": 16.0, "width": 12.0, "channels": 3.0}
    assert (dataset.provenance.license, dataset.provenance.origin, dataset.provenance.consent) == (
        "CC0-1.0",
        "drawn",
        "given",
    )
    assert {split.name for split in dataset.splits} == {"train", "test"}


def test_validation_records_are_taken_from_the_training_split_of_any_source(calls, name, folder):
    halves = np.arange(40) % 2
    np.savez(folder / "a.npz", x_test=IMAGES[:20], y_test=halves[:20], x_train=IMAGES[20:60], y_train=halves)
    counts = {}
    for share in (0.0, 0.25):
        dataset = calls.import_dataset(name, folder / "a.npz", parameters={"validation_fraction": share})
        counts[share] = {split.name: split.record_count for split in dataset.splits}
    assert counts[0.0] == {"train": 40, "test": 20}
    assert counts[0.25] == {"train": 30, "validation": 10, "test": 20}


def test_same_source_gives_the_same_digest_and_splits_in_a_new_version(calls, name, folder):
    source = write_form(folder, "folder", 100)
    first, second = calls.import_dataset(name, source), calls.import_dataset(name, source)
    assert [first.name, second.name] == [f"datasets/{name}/versions/{number}" for number in (1, 2)]
    assert first.digest == second.digest
    assert [(a.name, a.sha256) for a in first.artifacts] == [(a.name, a.sha256) for a in second.artifacts]


def test_every_finding_is_reported_by_name_and_nothing_is_lost(calls, name, folder):
    write_folders(folder, IMAGES[:60], LABELS[:60])
    cat = folder / "0"
    (cat / "broken.png").write_bytes(encode(grey(64, 64))[:200])
    (cat / "huge.png").write_bytes(png_header(60_000, 60_000))
    (cat / "notes.txt").write_text("hello")
    (cat / "again.png").write_bytes(encode(IMAGES[0]))
    (cat / "link.png").symlink_to(cat / "again.png")
    (folder / "unlabelled.png").write_bytes(encode(grey(seed=5)))
    (folder / "1" / "conflict.png").write_bytes(encode(IMAGES[0]))
    near = np.clip(IMAGES[1].astype(int) + 2, 0, 255).astype(np.uint8)
    (folder / "1" / "near.png").write_bytes(encode(near))
    dataset = calls.import_dataset(name, folder, parameters={"test_fraction": 0})
    assert calls.reasons(dataset) == {
        "0/broken.png": ("CORRUPT", True),
        "0/huge.png": ("TOO_LARGE", True),
        "0/notes.txt": ("UNSUPPORTED_FORMAT", True),
        "0/again.png": ("EXACT_DUPLICATE", True),
        "0/link.png": ("UNSAFE_PATH", True),
        "unlabelled.png": ("BAD_LABEL", True),
        "1/conflict.png": ("CONFLICTING_LABEL", False),
        "1/near.png": ("NEAR_DUPLICATE", False),
    }
    report = dataset.report
    assert (report.seen_count, report.kept_count, report.dropped_count) == (68, 62, 6)
    conflict = next(issue for issue in calls.issues(dataset) if reason_name(issue) == "CONFLICTING_LABEL")
    assert conflict.other == "0/00000.png"
    assert "labelled 1 here and 0 there" in conflict.detail


def test_findings_come_page_by_page_in_source_order(calls, name, folder):
    write_folders(folder, IMAGES[:5], LABELS[:5])
    for number in range(25):
        (folder / "0" / f"x{number:02}.png").write_bytes(b"broken")
    dataset = calls.import_dataset(name, folder)
    pages = calls.issues(dataset, page_size=10)
    assert [issue.source for issue in pages] == [f"0/x{number:02}.png" for number in range(25)]


def test_digits_and_their_like_do_not_flood_the_report(calls, name, folder):
    np.savez(folder / "a.npz", x=IMAGES, y=LABELS)
    dataset = calls.import_dataset(name, folder / "a.npz")
    assert dataset.report.kept_count == len(IMAGES)
    assert sum(dataset.report.issue_counts.values()) < 10


def test_slightly_changed_copies_are_found_across_splits(calls, name, folder):
    changed = np.clip(IMAGES[:100].astype(int) + 2, 0, 255).astype(np.uint8)
    np.savez(folder / "a.npz", x_train=IMAGES[:500], y_train=LABELS[:500], x_test=changed, y_test=LABELS[:100])
    dataset = calls.import_dataset(name, folder / "a.npz")
    assert dataset.report.issue_counts["CROSS_SPLIT_NEAR_DUPLICATE"] >= 98


def test_preview_is_a_picture_of_the_records(calls, name, folder):
    dataset = calls.import_dataset(name, write_form(folder, "folder", 50))
    chunks = calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner=dataset.name, artifact="preview.png"))
    assert Image.open(io.BytesIO(b"".join(chunk.data for chunk in chunks))).width > 500


def test_repeated_request_is_the_same_job(calls, name, folder):
    source, request_id = write_form(folder, "npz", 20), str(uuid.uuid4())
    first = calls.start_import(name, source, request_id=request_id)
    second = calls.start_import(name, source, request_id=request_id)
    assert first.name == second.name
    calls.finish(first)
    assert len(calls.versions(name)) == 1
    with pytest.raises(AlreadyExists):
        calls.start_import(f"{name}-b", source, request_id=request_id)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dataset": "Bad Name"}, "spec.dataset"),
        ({"kind": "hologram"}, "kind"),
        ({"parameters": {"colour": 1}}, "spec.parameters.colour"),
        ({"parameters": {"height": -1}}, "spec.parameters.height"),
        ({"parameters": {"height": float("nan")}}, "spec.parameters.height"),
        ({"parameters": {"channels": 2}}, "spec.parameters.channels"),
        ({"parameters": {"test_fraction": 1.5}}, "spec.parameters.test_fraction"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"source": "s3://bucket"}, "source_uri"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_field_is_refused_at_once_with_what_is_allowed(calls, name, folder, change, field):
    request = {"dataset": name, "source": write_form(folder, "npz", 5), **change}
    with pytest.raises(InvalidField) as refusal:
        calls.start_import(**request)
    assert refusal.value.metadata["field"] == field
    assert refusal.value.metadata["allowed"]


@pytest.mark.parametrize("uri", ["/etc", "/etc/passwd", "/does/not/exist", "file:///etc"])
def test_source_outside_the_roots_is_refused(calls, name, uri):
    with pytest.raises(PermissionDenied):
        calls.start_import(name, uri)


def test_missing_source_is_refused(calls, name, folder):
    with pytest.raises(InvalidField, match="nothing is there"):
        calls.start_import(name, folder / "gone")


def write_bad(folder, case):
    if case == "empty":
        (folder / "empty").mkdir()
        return folder / "empty"
    if case == "nothing usable":
        (folder / "cat").mkdir()
        (folder / "cat/a.txt").write_text("hello")
        return folder
    if case == "label count":
        return write_pair(folder, "train", 5, labels=4)
    if case == "damaged archive":
        (folder / "a.zip").write_bytes(b"PK\x03\x04 nothing")
        return folder / "a.zip"
    (folder / "a.docx").write_bytes(b"PK")
    return folder / "a.docx"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("empty", "the folder is empty"),
        ("nothing usable", "none of the first 1 items can be used; cat/a.txt: no image"),
        ("label count", "has 4 labels, train-images-idx3-ubyte has 5 images"),
        ("damaged archive", "damaged archive"),
        ("unknown form", "a form of data that is not known"),
    ],
)
def test_unusable_source_fails_the_job_with_a_typed_error(calls, name, folder, case, words):
    error = calls.fail_import(name, write_bad(folder, case))
    assert error.reason == "BAD_DATA"
    assert words in error.message


def test_label_source_that_is_not_there_fails_the_job(calls, name, folder):
    error = calls.fail_import(name, write_form(folder, "npz", 5), label_from="species")
    assert error.reason == "INVALID_FIELD"
    assert error.metadata["field"] == "label_from"
    assert error.metadata["value"] == "species"
