"""Streams of records and files."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.data import digits, write_folders
from synthmill.kinds.image import KIND
from synthmill.runtime.errors import DataLoss, InvalidField, NotFound, OutOfRange
from synthmill.runtime.tensors import from_batch
from synthmill.v1 import catalog_service_pb2 as pb


@pytest.fixture(scope="module")
def dataset(calls, tmp_path_factory):
    images, labels = digits()
    source = write_folders(tmp_path_factory.mktemp("digits"), images[:500], labels[:500])
    return calls.import_dataset("reading", source)


def read(calls, dataset, **request):
    return list(calls.catalog.ReadRecords(pb.ReadRecordsRequest(name=dataset.name, **request)))


def joined(responses):
    batches = [from_batch(response.batch) for response in responses]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def artifact(calls, owner, name, **request):
    chunks = calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner=owner, artifact=name, **request))
    return b"".join(chunk.data for chunk in chunks)


def test_records_come_in_order_and_equal_the_stored_table(calls, dataset):
    records = joined(read(calls, dataset))
    table = pq.read_table(io.BytesIO(artifact(calls, dataset.name, "train.parquet")))
    stored = KIND.from_table(table, dict(dataset.schema))
    assert set(records) == {"image", "label"}
    assert (records["image"] == stored["image"]).all()
    assert (records["label"] == stored["label"]).all()
    assert np.bincount(records["label"]).tolist() == list(dataset.splits[0].class_counts)


def test_splits_hold_the_whole_source_between_them(calls, dataset):
    images, _ = digits()
    parts = [joined(read(calls, dataset, split=split.name))["image"] for split in dataset.splits]
    found = sorted(image.tobytes() for image in np.concatenate(parts))
    assert found == sorted(image.tobytes() for image in images[:500])


@pytest.mark.parametrize("chunk_bytes", [1, 72, 1000, 10_000, 0])
def test_chunks_follow_each_other_and_keep_to_their_size(calls, dataset, chunk_bytes):
    responses = read(calls, dataset, split="test", chunk_bytes=chunk_bytes)
    position = 0
    for response in responses:
        assert response.first_index == position
        position += response.count
        assert response.count == 1 or sum(len(c.data) for c in response.batch.columns) <= (chunk_bytes or 1 << 20)
    assert position == dataset.splits[1].record_count
    whole = joined(read(calls, dataset, split="test"))
    assert (joined(responses)["image"] == whole["image"]).all()


def test_range_is_a_slice(calls, dataset):
    whole, part = joined(read(calls, dataset)), joined(read(calls, dataset, start_index=123, count=45))
    assert (part["image"] == whole["image"][123:168]).all()
    assert (part["label"] == whole["label"][123:168]).all()


def test_count_zero_reads_to_the_end(calls, dataset):
    size = dataset.splits[0].record_count
    assert sum(response.count for response in read(calls, dataset, start_index=size - 3)) == 3
    assert read(calls, dataset, start_index=size) == []


@pytest.mark.parametrize(
    ("request_", "error", "field"),
    [
        ({"start_index": -1}, InvalidField, "start_index"),
        ({"count": -1}, InvalidField, "count"),
        ({"chunk_bytes": -1}, InvalidField, "chunk_bytes"),
        ({"chunk_bytes": 3 * 2**20 + 1}, InvalidField, "chunk_bytes"),
        ({"split": "holdout"}, InvalidField, "split"),
        ({"start_index": 401}, OutOfRange, "start_index"),
        ({"count": 401}, OutOfRange, "count"),
        ({"start_index": 1, "count": 2**62}, OutOfRange, "count"),
        ({"start_index": 2**62}, OutOfRange, "start_index"),
    ],
    ids=str,
)
def test_bad_range_is_refused_with_what_is_allowed(calls, dataset, request_, error, field):
    with pytest.raises(error) as refusal:
        read(calls, dataset, **request_)
    assert refusal.value.metadata["field"] == field
    assert refusal.value.metadata["allowed"]


def test_every_artifact_has_the_announced_digest(calls, dataset):
    for stored in dataset.artifacts:
        data = artifact(calls, dataset.name, stored.name)
        assert len(data) == stored.size_bytes
        assert hashlib.sha256(data).hexdigest() == stored.sha256


def test_artifact_can_be_resumed_anywhere(calls, dataset):
    whole = artifact(calls, dataset.name, "train.parquet")
    assert artifact(calls, dataset.name, "train.parquet", offset=777) == whole[777:]
    assert artifact(calls, dataset.name, "train.parquet", offset=len(whole)) == b""


@pytest.mark.parametrize("offset", [-1, 2**62])
def test_offset_outside_the_file_is_refused(calls, dataset, offset):
    with pytest.raises(InvalidField, match="offset"):
        artifact(calls, dataset.name, "train.parquet", offset=offset)


@pytest.mark.parametrize("name", ["gone.bin", "", "../train.parquet"])
def test_unknown_artifact_is_not_found(calls, dataset, name):
    with pytest.raises(NotFound) as refusal:
        artifact(calls, dataset.name, name)
    assert "train.parquet" in refusal.value.metadata["allowed"]


def test_owner_of_another_sort_is_refused(calls):
    with pytest.raises(InvalidField, match="owner"):
        artifact(calls, "uploads/1", "a.zip")


def test_newest_version_of_an_owner_is_meant_without_a_number(calls, dataset):
    assert artifact(calls, "datasets/reading", "preview.png")


@pytest.mark.parametrize("damage", ["deleted", "flipped"])
def test_damaged_file_is_a_data_loss_by_name_and_the_service_lives_on(calls, cluster, dataset, folder, name, damage):
    images, labels = digits()
    images = 255 - images if damage == "deleted" else images.transpose(0, 2, 1)
    victim = calls.import_dataset(name, write_folders(folder, images[:50], labels[:50]))
    sha256 = next(stored.sha256 for stored in victim.artifacts if stored.name == "train.image.npy")
    (path,) = [path for path in cluster.store.rglob(f"*{sha256[2:]}*") if path.is_file()]
    if damage == "deleted":
        path.unlink()
    else:
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[200] ^= 1
        path.write_bytes(data)
    with pytest.raises(DataLoss, match=r"train\.image\.npy"):
        read(calls, victim)
    with pytest.raises(DataLoss, match=r"train\.image\.npy"):
        artifact(calls, victim.name, "train.image.npy")
    assert read(calls, dataset, count=1)
