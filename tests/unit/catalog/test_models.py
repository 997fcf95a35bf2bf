"""Models: published, promoted, deleted."""

from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import onnx
import pytest
from unit.graph.generators import sampler_graph

from synthmill.runtime.channels import connect_sync
from synthmill.runtime.errors import (
    AlreadyExists,
    BadGraph,
    DataLoss,
    FailedPrecondition,
    InvalidField,
    NotFound,
)
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import model_pb2, status_service_pb2, status_service_pb2_grpc

LABELS = ("circle", "square")


@pytest.fixture
def version(store):
    """A version whose artifacts are in the store."""
    return make_version(store, sampler_graph(LABELS).SerializeToString())


def make_version(store, graph, **changes):
    artifacts = [
        store.put_bytes(graph, "sampler.onnx"),
        store.put_bytes(b"{}", "card.json", "application/json"),
        store.put_bytes(b"# Card", "card.md", "text/markdown"),
    ]
    fields = {
        "kind": "image",
        "family": "gan",
        "labels": LABELS,
        "digest": artifacts[0].sha256,
        "dataset": "datasets/shapes/versions/1",
        "job": "jobs/training-1",
        "artifacts": [artifact.to_proto() for artifact in artifacts],
    }
    model = model_pb2.Model(**{**fields, **changes})
    model.metrics.update({"export_max_difference": 0.0})
    return model


def publish(calls, name, version, request_id=""):
    return calls.catalog.PublishModel(pb.PublishModelRequest(model=name, version=version, request_id=request_id))


def promote(calls, name):
    return calls.catalog.PromoteModel(pb.PromoteModelRequest(name=name, override_reason="this test"))


def promoted(cluster):
    with connect_sync(cluster.address("catalog")) as channel:
        stub = status_service_pb2_grpc.StatusServiceStub(channel)
        return set(stub.GetStatus(status_service_pb2.GetStatusRequest(), timeout=20).promoted_models)


def get(calls, name):
    return calls.catalog.GetModel(pb.GetModelRequest(name=name))


def listed(calls, name):
    return list(calls.catalog.ListModels(pb.ListModelsRequest(model=f"models/{name}")).models)


def test_published_version_is_complete_and_visible(calls, name, version):
    published = publish(calls, name, version)
    assert published.name == f"models/{name}/versions/1"
    assert get(calls, f"models/{name}") == published
    assert [artifact.name for artifact in published.artifacts] == ["sampler.onnx", "card.json", "card.md"]
    assert list(published.labels) == list(LABELS)
    assert {column.name: list(column.shape) for column in published.columns} == {"image": [-1, 4, 4, 1]}
    assert dict(published.metrics) == {"export_max_difference": 0.0}
    assert (published.dataset, published.job, published.promoted) == (version.dataset, version.job, False)
    chunks = calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner=published.name, artifact="sampler.onnx"))
    assert hashlib.sha256(b"".join(chunk.data for chunk in chunks)).hexdigest() == published.digest


def test_repeated_request_publishes_once(calls, name, version):
    request_id = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        names = {made.name for made in pool.map(lambda _: publish(calls, name, version, request_id), range(16))}
    assert names == {f"models/{name}/versions/1"}
    assert len(listed(calls, name)) == 1
    other = model_pb2.Model()
    other.CopyFrom(version)
    other.job = "jobs/training-2"
    with pytest.raises(AlreadyExists):
        publish(calls, name, other, request_id)


def test_concurrent_publications_get_numbers_without_gaps(calls, name, version):
    with ThreadPoolExecutor(8) as pool:
        names = sorted(made.name for made in pool.map(lambda _: publish(calls, name, version), range(8)))
    assert names == [f"models/{name}/versions/{number}" for number in range(1, 9)]


def test_promoted_version_is_meant_without_a_number_and_cannot_be_deleted(calls, name, version):
    first, second = (publish(calls, name, version) for _ in range(2))
    assert get(calls, f"models/{name}").name == second.name
    assert promote(calls, first.name).promoted
    assert get(calls, f"models/{name}").name == first.name
    assert [model.promoted for model in listed(calls, name)] == [False, True]
    with pytest.raises(FailedPrecondition, match="promoted"):
        calls.catalog.DeleteModel(pb.DeleteModelRequest(name=first.name))
    calls.catalog.DeleteModel(pb.DeleteModelRequest(name=second.name))
    with pytest.raises(NotFound):
        get(calls, second.name)
    assert publish(calls, name, version).name == f"models/{name}/versions/3"


def test_status_tells_which_version_is_promoted(calls, cluster, name, version):
    first, second = (publish(calls, name, version).name for _ in range(2))
    promote(calls, first)
    assert promoted(cluster) & {first, second} == {first}
    promote(calls, second)
    assert promoted(cluster) & {first, second} == {second}


@pytest.mark.parametrize("method", ["PromoteModel", "DeleteModel"])
def test_version_must_be_named_and_exist(calls, method):
    request = {"PromoteModel": pb.PromoteModelRequest, "DeleteModel": pb.DeleteModelRequest}[method]
    with pytest.raises(InvalidField):
        getattr(calls.catalog, method)(request(name="models/nobody"))
    with pytest.raises(NotFound):
        getattr(calls.catalog, method)(request(name="models/nobody/versions/1"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "hologram"}, "version.kind"),
        ({"family": ""}, "version.family"),
        ({"labels": ["circle"]}, "version.labels"),
        ({"labels": ["square", "circle"]}, "version.labels"),
        ({"digest": "0" * 64}, "version.digest"),
        ({"dataset": "datasets/shapes"}, "version.dataset"),
        ({"artifacts": []}, "version.artifacts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_field_that_does_not_fit_is_refused_and_nothing_is_published(calls, name, store, changes, field):
    version = make_version(store, sampler_graph(LABELS).SerializeToString(), **changes)
    with pytest.raises(InvalidField) as refusal:
        publish(calls, name, version)
    assert refusal.value.metadata["field"] == field
    assert listed(calls, name) == []


def test_bad_model_name_is_refused(calls, version):
    with pytest.raises(InvalidField, match="model"):
        publish(calls, "No Name", version)


def test_missing_artifact_is_a_data_loss_by_name(calls, name, version):
    sha256 = "1" * 64
    version.artifacts.add(name="weights.safetensors", uri=f"store://sha256/{sha256}", sha256=sha256, size_bytes=5)
    with pytest.raises(DataLoss, match=r"weights\.safetensors"):
        publish(calls, name, version)
    assert listed(calls, name) == []


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "store://sha256/../../etc/passwd", ""])
def test_artifact_from_outside_the_store_is_refused(calls, name, version, uri):
    version.artifacts.add(name="x", uri=uri, sha256="../../etc/passwd", size_bytes=5)
    with pytest.raises((InvalidField, DataLoss)):
        publish(calls, name, version)
    assert listed(calls, name) == []


def plain_onnx():
    model = sampler_graph(LABELS)
    del model.metadata_props[:]
    return model.SerializeToString()


def foreign_domain():
    model = sampler_graph(LABELS)
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    return model.SerializeToString()


@pytest.mark.parametrize("graph", [b"nothing", plain_onnx(), foreign_domain()], ids=["bytes", "plain", "domain"])
def test_graph_that_is_no_sampler_graph_is_refused(calls, name, store, graph):
    with pytest.raises(BadGraph):
        publish(calls, name, make_version(store, graph))
    assert listed(calls, name) == []


def test_models_are_listed_newest_first_page_by_page(calls, name, version):
    for _ in range(3):
        publish(calls, name, version)
    first = calls.catalog.ListModels(pb.ListModelsRequest(model=f"models/{name}", page_size=2))
    token = first.next_page_token
    rest = calls.catalog.ListModels(pb.ListModelsRequest(model=f"models/{name}", page_size=2, page_token=token))
    names = [model.name for model in [*first.models, *rest.models]]
    assert names == [f"models/{name}/versions/{number}" for number in (3, 2, 1)]
    assert rest.next_page_token == ""
    assert not any(model.artifacts for model in first.models)
