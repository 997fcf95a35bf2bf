"""A graph in float16 makes the same samples to within a level; noise and finish are those of float32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from unit.learning.compress import graphs
from unit.learning.compress.graphs import draw, untouched

from synthmill.learning.compress.half import to_half
from synthmill.learning.graph.check import check_graph

GRAPHS = pytest.mark.parametrize(
    ("make", "labels"),
    [(graphs.image_graph, graphs.LABELS), (graphs.dense_graph, ()), (graphs.transposed_graph, ())],
    ids=["image", "dense", "transposed"],
)


@GRAPHS
def test_samples_are_the_same_to_within_a_level_or_two(make, labels):
    original = make()
    half = to_half(original)
    assert check_graph(half) == check_graph(original)
    assert untouched(half, original) == untouched(original, original)
    difference = np.abs(draw(half, 300, labels) - draw(original, 300, labels))
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.1


@GRAPHS
def test_all_weights_of_layers_are_float16(make, labels):
    graph = onnx.load_from_string(to_half(make())).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
    assert {types[node.input[1]] for node in layers} == {TensorProto.FLOAT16}


def test_the_file_shrinks_and_no_weight_is_kept_twice():
    original = graphs.image_graph(width=32)
    assert len(to_half(original)) < 0.6 * len(original)


def test_weights_beyond_the_range_of_float16_stay_finite():
    model = onnx.load_from_string(graphs.dense_graph())
    layer = next(node for node in model.graph.node if node.op_type == "MatMul")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == layer.input[1])
    huge = np.full(tuple(tensor.dims), 1e9, np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(huge, tensor.name))
    half = onnx.load_from_string(to_half(model.SerializeToString()))
    values = [onnx.numpy_helper.to_array(t) for t in half.graph.initializer if t.data_type == TensorProto.FLOAT16]
    assert all(np.isfinite(value).all() for value in values)
