"""Datasets and models through the SDK."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile

import numpy as np
import pytest
from unit.client.fakes.catalog import RECORDS, record_columns
from unit.client.fakes.faults import BREAK
from unit.client.fakes.model import FILES, MODEL

from synthmill.client import dataset_spec
from synthmill.client.batches import join
from synthmill.kinds.policy_messages import to_policy
from synthmill.runtime.errors import BadData, DataLoss, InvalidField, NotFound, PermissionDenied
from synthmill.v1.policy_pb2 import PolicyVersion


@pytest.fixture
def spec():
    return dataset_spec("pets", "image", label_from="folder", parameters={"height": 6}, license="CC0-1.0")


def test_import_names_the_source_and_a_new_request_id(client, services, spec):
    job = client.catalog.import_dataset(spec, "/data/pets")
    assert client.jobs.wait(job.name).result == "datasets/pets/versions/3"
    client.catalog.import_dataset(spec, "/data/pets")
    first, second = services.catalog.requests
    assert (first.source_uri, first.spec.label_from, first.spec.parameters["height"]) == ("/data/pets", "folder", 6)
    assert first.spec.provenance.license == "CC0-1.0"
    assert first.request_id != second.request_id


def test_import_outside_the_allowed_roots_is_refused(client, spec):
    with pytest.raises(PermissionDenied) as caught:
        client.catalog.import_dataset(spec, "/forbidden/pets")
    assert caught.value.metadata["field"] == "source_uri"


def test_upload_of_a_file_is_repeated_under_one_request_id(client, services, spec, tmp_path):
    file = tmp_path / "pets.zip"
    file.write_bytes(np.random.default_rng(0).bytes(3_000_000))
    services.catalog.broken_uploads = 2
    job = client.catalog.upload_dataset(spec, file)
    assert services.catalog.uploads == [("pets.zip", file.read_bytes())]
    [header] = services.catalog.requests
    assert header.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert job.name == client.catalog.upload_dataset(spec, file, request_id=header.request_id).name


def test_upload_of_a_folder_is_a_tar_of_it_and_the_same_each_time(client, services, spec, tmp_path):
    folder = tmp_path / "pets"
    big = np.random.default_rng(0).bytes(2_500_000)
    for name, data in {"cat/1.png": b"cat", "dog/" + "n" * 150 + ".png": b"dog", "fox/big.png": big}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "cat/link.png").symlink_to("1.png")
    client.catalog.upload_dataset(spec, folder)
    (folder / "cat/1.png").touch()
    client.catalog.upload_dataset(spec, folder)
    (name, first), (_, second) = services.catalog.uploads
    assert name == "pets.tar"
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        members = {member.name: member for member in tar}
        assert sorted(members) == ["cat/1.png", "cat/link.png", "dog/" + "n" * 150 + ".png", "fox/big.png"]
        assert members["cat/link.png"].issym()
        assert tar.extractfile("fox/big.png").read() == big


def test_upload_of_nothing_is_refused(client, spec, tmp_path):
    with pytest.raises(InvalidField, match="nowhere"):
        client.catalog.upload_dataset(spec, tmp_path / "nowhere")


def test_upload_that_cannot_be_read_says_so(client, services, spec, tmp_path):
    (tmp_path / "pets").mkdir()
    os.mkfifo(tmp_path / "pets/pipe")
    with pytest.raises(BadData, match="pipe is neither a file"):
        client.catalog.upload_dataset(spec, tmp_path / "pets")
    assert services.catalog.uploads == []


async def test_async_upload_that_cannot_be_read_says_so(async_client, spec, tmp_path):
    (tmp_path / "pets").mkdir()
    os.mkfifo(tmp_path / "pets/pipe")
    with pytest.raises(BadData, match="pipe is neither a file"):
        await async_client.catalog.upload_dataset(spec, tmp_path / "pets")


def test_lists_go_on_over_pages(client):
    names = [dataset.name for dataset in client.catalog.list_datasets()]
    assert names == [f"datasets/pets/versions/{n}" for n in (3, 2, 1)]
    assert [dataset.name for dataset in client.catalog.list_datasets("pets")] == names
    assert list(client.catalog.list_datasets("birds")) == []
    assert [model.name for model in client.catalog.list_models()] == [f"{MODEL}/versions/1"]


@pytest.mark.parametrize(("start", "count"), [(0, 0), (13, 0), (20, 25), (RECORDS, 0)])
def test_records_come_in_order_over_broken_streams(client, services, start, count):
    services.catalog.faults.plan = [(1, BREAK), (0, BREAK), (2, BREAK)]
    batches = list(client.catalog.read_records("pets", start_index=start, count=count))
    end = start + count if count else RECORDS
    assert sum(batch.count for batch in batches) == end - start
    if batches:
        for name, array in record_columns(start, end).items():
            np.testing.assert_array_equal(join(batches)[name], array)


def test_unknown_names_are_not_found(client):
    with pytest.raises(NotFound):
        client.catalog.get_dataset("birds")
    with pytest.raises(NotFound):
        client.catalog.get_model("models/dragons")


def test_download_over_a_broken_stream_is_the_whole_file(client, services, tmp_path):
    services.catalog.faults.plan = [(1, BREAK), (0, BREAK)]
    model = client.catalog.get_model("pets")
    graph = next(artifact for artifact in model.artifacts if artifact.name == "sampler.onnx")
    client.catalog.download_artifact(model.name, graph, tmp_path / "pets.onnx")
    assert (tmp_path / "pets.onnx").read_bytes() == FILES["sampler.onnx"]


def test_download_of_a_damaged_file_leaves_nothing(client, services, tmp_path):
    services.catalog.damaged = True
    model = client.catalog.get_model("pets")
    with pytest.raises(DataLoss, match=r"card\.json"):
        client.catalog.download_artifact(model.name, model.artifacts[0], tmp_path / "card.json")
    assert list(tmp_path.iterdir()) == []


def test_model_is_imported_promoted_and_deleted(client, services, tmp_path):
    file = tmp_path / "gan.onnx"
    file.write_bytes(b"onnx")
    job = client.catalog.import_model("pets", file, kind="image", labels=["cat"], parameters={"range": [-1, 1]})
    assert client.jobs.wait(job.name).result == f"{MODEL}/versions/1"
    assert services.catalog.uploads == [("pets", b"onnx")]
    assert list(services.catalog.requests[0].labels) == ["cat"]
    assert client.catalog.promote_model("pets/versions/1").promoted
    overridden = client.catalog.promote_model("pets/versions/1", override_reason="a trial")
    assert overridden.promotion.override_reason == "a trial"
    client.catalog.delete_model("pets/versions/1")
    client.catalog.delete_dataset("pets/versions/2")
    assert services.catalog.deleted == [f"{MODEL}/versions/1", "datasets/pets/versions/2"]


def test_policies_are_published_read_listed_and_deleted(client):
    version = PolicyVersion(kind="image", policy=to_policy({"steps": [{"op": "grey"}]}), digest="e" * 64)
    names = [client.catalog.publish_policy(name, version).name for name in ("pets", "policies/pets", "birds")]
    assert names == ["policies/pets/versions/1", "policies/pets/versions/2", "policies/birds/versions/1"]
    assert client.catalog.get_policy("pets").name == names[1]
    assert client.catalog.get_policy("policies/pets/versions/1").policy == version.policy
    assert [policy.name for policy in client.catalog.list_policies()] == names[::-1]
    assert [policy.name for policy in client.catalog.list_policies("pets")] == [names[1], names[0]]
    client.catalog.delete_policy("pets/versions/2")
    assert client.catalog.get_policy("pets").name == names[0]
    with pytest.raises(NotFound):
        client.catalog.get_policy("cats")


async def test_async_upload_and_records(async_client, services, spec, tmp_path):
    (tmp_path / "pets.npz").write_bytes(b"arrays")
    services.catalog.broken_uploads = 1
    job = await async_client.catalog.upload_dataset(spec, tmp_path / "pets.npz")
    assert (await async_client.jobs.wait(job.name)).result == "datasets/pets/versions/3"
    services.catalog.faults.plan = [(1, BREAK)]
    batches = [batch async for batch in async_client.catalog.read_records("pets")]
    assert join(batches).count == RECORDS
