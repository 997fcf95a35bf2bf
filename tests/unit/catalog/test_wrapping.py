"""Foreign ONNX generators, imported as models."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image
from unit.graph.generators import dense_generator, draw

from synthmill.runtime.errors import DataLoss, InvalidField
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import job_pb2


def import_model(calls, name, graph, kind="image", labels=(), parameters=None, **fields):
    header = pb.ImportModelHeader(model=name, kind=kind, labels=labels, **fields)
    header.parameters.update(parameters or {})

    def messages():
        yield pb.ImportModelRequest(header=header)
        for start in range(0, len(graph), 512):
            yield pb.ImportModelRequest(data=graph[start : start + 512])

    return calls.finish(calls.catalog.ImportModel(messages()))


def artifact(calls, owner, name):
    chunks = calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner=owner, artifact=name))
    return b"".join(chunk.data for chunk in chunks)


def vector_generator():
    nodes = [helper.make_node("MatMul", ["z", "w"], ["v"])]
    weights = onnx.numpy_helper.from_array(np.eye(6, dtype=np.float32), "w")
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 6])]
    outputs = [helper.make_tensor_value_info("v", TensorProto.FLOAT, ["n", 6])]
    graph = helper.make_graph(nodes, "vector", inputs, outputs, [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_picture_generator_becomes_a_model_that_runs(calls, name):
    graph = dense_generator(labels=3, finished=False).SerializeToString()
    digest = hashlib.sha256(graph).hexdigest()
    job = import_model(calls, name, graph, labels=["circle", "square", "triangle"], sha256=digest)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    model = calls.catalog.GetModel(pb.GetModelRequest(name=job.result))
    assert (model.kind, model.family, model.job) == ("image", "imported", job.name)
    assert list(model.labels) == ["circle", "square", "triangle"]
    session = onnxruntime.InferenceSession(artifact(calls, model.name, "sampler.onnx"))
    (images,) = session.run(["image"], draw(7, [0, 1, 2], [0, 1, 2]))
    assert images.dtype == np.uint8
    assert images.shape == (3, 4, 4, 1)


def test_card_tells_where_the_model_comes_from(calls, name):
    job = import_model(calls, name, dense_generator(finished=False).SerializeToString())
    card = json.loads(artifact(calls, job.result, "card.json"))
    assert card["synthetic"] is True
    assert card["lineage"]["job"] == job.name
    assert len(card["lineage"]["sha256"]) == 64
    text = artifact(calls, job.result, "card.md").decode()
    assert text.startswith(f"# {name}")
    assert card["lineage"]["sha256"] in text
    assert Image.open(io.BytesIO(artifact(calls, job.result, "samples.png"))).width > 300


def test_vector_generator_becomes_a_model_of_plain_arrays(calls, name):
    job = import_model(calls, name, vector_generator(), kind="tensor")
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    model = calls.catalog.GetModel(pb.GetModelRequest(name=job.result))
    assert {column.name: list(column.shape) for column in model.columns} == {"tensor": [-1, 6]}


def test_samples_that_are_not_what_the_kind_stores_are_refused(calls, name):
    job = import_model(calls, name, vector_generator(), kind="image")
    assert job.error.reason == "INVALID_FIELD"
    assert job.error.metadata["field"] == "kind"


def external_data():
    model = dense_generator(finished=False)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model.SerializeToString()


def foreign_operator():
    model = dense_generator(finished=False)
    model.graph.node[0].domain = "com.example"
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (b"no ONNX file", "not an ONNX file"),
        (external_data(), "external data"),
        (foreign_operator(), "com.example"),
    ],
    ids=["not-onnx", "external-data", "foreign-operator"],
)
def test_unsafe_graph_fails_the_job_and_nothing_is_published(calls, name, graph, words):
    job = import_model(calls, name, graph)
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.reason == "BAD_GRAPH"
    assert words in job.error.message
    assert not calls.catalog.ListModels(pb.ListModelsRequest(model=f"models/{name}")).models


def test_wrong_digest_is_a_data_loss_and_makes_no_job(calls, name):
    graph = dense_generator(finished=False).SerializeToString()
    before = calls.job_names()
    with pytest.raises(DataLoss, match="sha256"):
        import_model(calls, name, graph[:-1], sha256=hashlib.sha256(graph).hexdigest())
    assert calls.job_names() == before


def test_unknown_parameter_fails_the_job_by_name(calls, name):
    job = import_model(calls, name, dense_generator(finished=False).SerializeToString(), parameters={"colour": "red"})
    assert job.error.metadata["field"] == "parameters.colour"


@pytest.mark.parametrize(("change", "field"), [({"kind": "hologram"}, "kind"), ({"name": "No Name"}, "model")])
def test_bad_header_is_refused_at_once(calls, name, change, field):
    request = {"name": name, "graph": b"x", **change}
    with pytest.raises(InvalidField) as refusal:
        import_model(calls, **request)
    assert refusal.value.metadata["field"] == field
