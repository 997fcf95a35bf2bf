"""Opinions that are left out of a file: what is kept is the same, and nothing is there that it does not need."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import LABELS, draw, judging_graph, run, sampler_graph

from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.metadata import with_metadata
from synthmill.runtime.errors import BadGraph
from synthmill.sampling.opinions import keep_opinions

FEEDS = draw(3, range(50), [index % 3 for index in range(50)])


def kept(*names: str) -> onnx.ModelProto:
    return onnx.load_from_string(keep_opinions(judging_graph().SerializeToString(), names))


@pytest.mark.parametrize("names", [(), ("confidence",), ("score",), ("confidence", "score")], ids=" ".join)
def test_what_is_kept_is_the_same(names):
    graph = kept(*names)
    everything = dict(zip(("image", "confidence", "score"), run(judging_graph(), FEEDS), strict=True))
    assert [value.name for value in graph.graph.output] == ["image", *names]
    for name, found in zip(("image", *names), run(graph, FEEDS), strict=True):
        assert found.tobytes() == everything[name].tobytes()
    onnx.checker.check_model(graph, full_check=True)


def test_what_only_they_need_is_gone():
    plain, without = sampler_graph(LABELS).graph, kept().graph
    assert [node.name for node in without.node] == [node.name for node in plain.node]
    assert {tensor.name for tensor in without.initializer} <= {tensor.name for tensor in plain.initializer}
    assert {node.name.partition("/")[0] for node in kept("confidence").graph.node} == {
        "noise",
        "generator",
        "confidence",
    }


def test_files_without_opinions_and_those_of_which_all_are_kept_are_left_as_they_are():
    plain, judging = sampler_graph().SerializeToString(), judging_graph().SerializeToString()
    assert keep_opinions(plain, ()) is plain
    assert keep_opinions(judging, ("score", "confidence")) is judging


def test_what_a_graph_says_of_itself_stays():
    graph = with_metadata(judging_graph(min_confidence=0.9), license="CC0-1.0")
    without = onnx.load_from_string(keep_opinions(graph.SerializeToString(), ()))
    assert sorted(map(str, without.metadata_props)) == sorted(map(str, graph.metadata_props))
    assert without.opset_import == graph.opset_import
    assert [value.name for value in without.graph.input] == [value.name for value in graph.graph.input]


def test_what_a_branch_takes_from_around_it_is_kept():
    graph = judging_graph()
    source = graph.graph.node[-1].output[0]
    assert source == "score"
    taken = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Neg", ["score/sums/Reshape_0"], ["out"])], "branch", [], [taken])
    graph.graph.initializer.append(helper.make_tensor("always", TensorProto.BOOL, [], [True]))
    graph.graph.node.append(helper.make_node("If", ["always"], ["y"], then_branch=branch, else_branch=branch))
    graph.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 16]))
    check_graph(graph.SerializeToString())
    without = onnx.load_from_string(keep_opinions(graph.SerializeToString(), ()))
    assert [value.name for value in without.graph.output] == ["image", "y"]
    assert run(without, FEEDS)[1].tobytes() == run(graph, FEEDS)[3].tobytes()


def test_what_is_no_file_of_onnx_is_refused():
    with pytest.raises(BadGraph, match="not an ONNX file"):
        keep_opinions(b"not a graph", ())
