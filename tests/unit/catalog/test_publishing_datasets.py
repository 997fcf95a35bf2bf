"""Dataset versions that another service has made."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from synthmill.kinds.dataset_files import ContentDigest, files_of, write_split
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import AlreadyExists, DataLoss, InvalidField, NotFound
from synthmill.runtime.structs import to_struct
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2

SCHEMA = {"height": 4, "width": 4, "channels": 1}
LABELS = ["circle", "square"]
COUNTS = {"train": 5, "test": 2}


def records(count: int) -> dict[str, np.ndarray]:
    images = np.random.default_rng(count).integers(0, 256, (count, 4, 4, 1), np.uint8)
    return {"image": images, "label": np.arange(count) % 2}


@pytest.fixture
def version(store, tmp_path) -> dataset_pb2.Dataset:
    """A version whose artifacts are in the store."""
    kind = get_kind("image")
    digest = ContentDigest("image", SCHEMA, LABELS)
    made = dataset_pb2.Dataset(kind="image", labels=LABELS, schema=to_struct(SCHEMA), job="jobs/augmentation-1")
    for split, count in COUNTS.items():
        digest.begin_split(split, count)
        for chunk in write_split(kind, SCHEMA, LABELS, split, count, [records(count)], tmp_path):
            digest.add(chunk)
        made.splits.add(name=split, record_count=count)
        for file in files_of(split, ("image", "label"), tmp_path):
            made.artifacts.append(store.put_file(file.path, file.path.name, file.media_type).to_proto())
    made.artifacts.append(store.put_bytes(b"{}", "lineage.json", "application/json").to_proto())
    made.statistics.update({"mean": [0.5]})
    made.provenance.license = "CC0-1.0"
    made.digest = digest.hexdigest()
    return made


def publish(calls, name, version, request_id=""):
    request = pb.PublishDatasetRequest(dataset=name, version=version, request_id=request_id)
    return calls.catalog.PublishDataset(request)


def test_published_version_is_complete_and_visible(calls, name, version):
    published = publish(calls, name, version)
    assert published.name == f"datasets/{name}/versions/1"
    assert calls.catalog.GetDataset(pb.GetDatasetRequest(name=f"datasets/{name}")) == published
    assert [(split.name, split.record_count, list(split.class_counts)) for split in published.splits] == [
        ("train", 5, [3, 2]),
        ("test", 2, [1, 1]),
    ]
    assert {column.name: list(column.shape) for column in published.columns} == {"image": [-1, 4, 4, 1], "label": [-1]}
    assert (published.record_count, published.report.kept_count, published.report.dropped_count) == (7, 7, 0)
    assert (published.provenance.license, published.job) == ("CC0-1.0", "jobs/augmentation-1")
    assert list(published.statistics["mean"]) == [0.5]
    [chunk] = calls.catalog.ReadRecords(pb.ReadRecordsRequest(name=published.name))
    assert chunk.batch.columns[0].data == records(5)["image"].tobytes()


def test_what_was_imported_has_the_same_digest_when_it_is_published_again(calls, name, folder):
    np.savez(folder / "shapes.npz", x=records(9)["image"], y=records(9)["label"])
    imported = calls.import_dataset(name, folder / "shapes.npz")
    assert publish(calls, name, imported).digest == imported.digest


def test_repeated_request_publishes_once(calls, name, version):
    request_id = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        names = {made.name for made in pool.map(lambda _: publish(calls, name, version, request_id), range(16))}
    assert names == {f"datasets/{name}/versions/1"}
    assert calls.versions(name) == [f"datasets/{name}/versions/1"]
    version.job = "jobs/augmentation-2"
    with pytest.raises(AlreadyExists):
        publish(calls, name, version, request_id)
    assert publish(calls, name, version).name == f"datasets/{name}/versions/2"


def test_published_version_is_deleted_like_any_other(calls, name, version):
    request_id = str(uuid.uuid4())
    published = publish(calls, name, version, request_id)
    calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=published.name))
    with pytest.raises(NotFound):
        calls.catalog.GetDataset(pb.GetDatasetRequest(name=published.name))


def change(version, **changes):
    for name, value in changes.items():
        if name == "schema":
            version.schema.Clear()
            version.schema.update(value)
        elif isinstance(value, list):
            version.ClearField(name)
            getattr(version, name).extend(value)
        else:
            setattr(version, name, value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "hologram"}, "version.kind"),
        ({"labels": ["circle", "circle"]}, "version.labels"),
        ({"labels": ["square", "circle"]}, "version.digest"),
        ({"labels": ["circle"]}, "version.artifacts"),
        ({"labels": []}, "version.digest"),
        ({"digest": "0" * 64}, "version.digest"),
        ({"splits": []}, "version.splits"),
        ({"splits": [dataset_pb2.Split(name="rest", record_count=5)]}, "version.splits"),
        ({"splits": [dataset_pb2.Split(name="train", record_count=4)]}, "version.splits"),
        ({"splits": [dataset_pb2.Split(name="train", record_count=0)]}, "version.splits"),
        ({"splits": [dataset_pb2.Split(name="train", record_count=5)]}, "version.digest"),
        ({"splits": [dataset_pb2.Split(name="validation", record_count=5)]}, "version.artifacts"),
        ({"schema": {"height": 4, "width": 5, "channels": 1}}, "version.artifacts"),
        ({"schema": {"height": 4}}, "version.schema"),
        ({"artifacts": []}, "version.artifacts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_field_that_does_not_fit_is_refused_and_nothing_is_published(calls, name, version, changes, field):
    change(version, **changes)
    with pytest.raises(InvalidField) as refusal:
        publish(calls, name, version)
    assert refusal.value.metadata["field"] == field
    assert calls.versions(name) == []


@pytest.mark.parametrize("artifact", ["train.image.npy", "train.parquet"])
def test_file_of_another_format_is_refused(calls, name, version, store, artifact):
    for found in version.artifacts:
        if found.name == artifact:
            found.CopyFrom(store.put_bytes(b"nothing of the kind", artifact).to_proto())
    with pytest.raises(InvalidField, match=artifact):
        publish(calls, name, version)
    assert calls.versions(name) == []


def test_missing_artifact_is_a_data_loss_by_name(calls, name, version):
    sha256 = "1" * 64
    version.artifacts.add(name="more.bin", uri=f"store://sha256/{sha256}", sha256=sha256, size_bytes=5)
    with pytest.raises(DataLoss, match=r"more\.bin"):
        publish(calls, name, version)
    assert calls.versions(name) == []
