"""Noise, body and finish of a sampler graph are told apart."""

from __future__ import annotations

import onnx
import pytest
from unit.learning.compress import graphs

from synthmill.learning.compress.half import to_half
from synthmill.learning.compress.parts import require_float32, split
from synthmill.learning.compress.quantise import quantise
from synthmill.runtime.errors import FailedPrecondition


@pytest.mark.parametrize("make", [graphs.image_graph, graphs.dense_graph, graphs.transposed_graph])
def test_every_node_belongs_to_one_part(make):
    graph = onnx.load_from_string(make()).graph
    parts = split(graph)
    noise = [node.name for node in graph.node if node.name.startswith("noise/")]
    names = [*noise, *(node.name for node in [*parts.body, *parts.finish])]
    assert sorted(names) == sorted(node.name for node in graph.node)
    assert parts.finish[-1].output[0] == graph.output[0].name


def test_the_body_ends_with_the_last_layer_and_the_finish_begins_with_what_bounds_it():
    parts = split(onnx.load_from_string(graphs.image_graph()).graph)
    assert parts.body[-1].op_type == "Conv"
    assert parts.finish[0].op_type == "Tanh"


def test_a_graph_without_layers_is_refused():
    with pytest.raises(FailedPrecondition, match="no layer with weights"):
        split(onnx.load_from_string(graphs.weightless_graph()).graph)


def test_only_float32_graphs_are_compressed():
    graph = graphs.image_graph()
    require_float32(onnx.load_from_string(graph))
    for compressed in (quantise(graph, seed=0, samples=16, reduce_range=False), to_half(graph)):
        with pytest.raises(FailedPrecondition, match="reduced precision already"):
            require_float32(onnx.load_from_string(compressed))
