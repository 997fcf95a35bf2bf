"""Model versions with small real sampler graphs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from unit.graph.generators import LABELS, sampler_graph

from synthmill.runtime.store import ObjectStore
from synthmill.runtime.tensors import to_column_specs
from synthmill.v1 import model_pb2

SHAPES = {"image": (np.dtype("u1"), (4, 4, 1))}
PLAIN = {"value": (np.dtype("f4"), (2,)), "half": (np.dtype("f2"), ()), "name": (np.dtype("O"), ())}


def models_in(store: ObjectStore) -> list[model_pb2.Model]:
    """Writes graphs into a store and returns the versions that are made of them.

    "shapes" has labels and two versions, the second one promoted; "plain" has none and columns of three types; the
    graph of "broken" is missing.
    """
    first = _model(store, "shapes", 1, sampler_graph(LABELS), SHAPES, LABELS)
    second = _model(store, "shapes", 2, sampler_graph(LABELS, latent=16), SHAPES, LABELS, promoted=True)
    plain = _model(store, "plain", 1, plain_graph(), PLAIN, promoted=True)
    broken = model_pb2.Model(name="models/broken/versions/1", digest="0" * 64, promoted=True)
    return [second, first, plain, broken]


def plain_graph() -> onnx.ModelProto:
    """Makes a sampler graph without labels: [index, seed] as float32, the index as float16 and as text."""
    nodes = [
        helper.make_node("Cast", ["index"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["seed"], ["shade"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "shade"], ["shades"]),
        helper.make_node("Unsqueeze", ["number", "axis"], ["left"]),
        helper.make_node("Unsqueeze", ["shades", "axis"], ["right"]),
        helper.make_node("Concat", ["left", "right"], ["value"], axis=1),
        helper.make_node("Cast", ["index"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["index"], ["name"], to=TensorProto.STRING),
    ]
    inputs = [
        helper.make_tensor_value_info("seed", TensorProto.UINT64, ["S"]),
        helper.make_tensor_value_info("index", TensorProto.INT64, ["N"]),
    ]
    outputs = [
        helper.make_tensor_value_info("value", TensorProto.FLOAT, ["N", 2]),
        helper.make_tensor_value_info("half", TensorProto.FLOAT16, ["N"]),
        helper.make_tensor_value_info("name", TensorProto.STRING, ["N"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    graph = helper.make_graph(nodes, "plain", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"synthmill.labels": "[]", "synthmill.smallest_batch": "1"})
    return model


def _model(store, model_id, version, graph, columns, labels=(), promoted=False) -> model_pb2.Model:
    artifact = store.put_bytes(graph.SerializeToString(), "sampler.onnx").to_proto()
    return model_pb2.Model(
        name=f"models/{model_id}/versions/{version}",
        kind="tensor",
        family="imported",
        labels=labels,
        columns=to_column_specs(columns),
        artifacts=[artifact],
        digest=artifact.sha256,
        promoted=promoted,
    )
