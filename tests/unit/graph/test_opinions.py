"""Opinions in a sampler graph: samples stay what they are, and what is held of them is what the networks say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import (
    LABELS,
    corner_network,
    draw,
    judging_graph,
    model_of,
    run,
    sampler_graph,
    session,
    sum_network,
)

from synthmill.learning.graph.batching import smallest_batch
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.check import check_graph, require_no_opinions
from synthmill.learning.graph.metadata import read_metadata, with_metadata
from synthmill.learning.graph.opinions import add_opinion, sum_side_by_side
from synthmill.runtime.errors import BadGraph, FailedPrecondition

INDEX = np.arange(100)
FEEDS = draw(7, INDEX, INDEX % 3)


def test_samples_stay_the_same_bytes_and_opinions_are_those_of_the_networks():
    [image] = run(sampler_graph(LABELS), FEEDS)
    same, confidence, score = run(judging_graph(), FEEDS)
    assert same.tobytes() == image.tobytes()
    assert confidence.dtype == score.dtype == np.float32
    np.testing.assert_array_equal(confidence, image[:, 0, 0, 0].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(score, image.sum(axis=(1, 2, 3)) + 1000 * (INDEX % 3))


def test_opinions_of_a_sample_are_the_same_bits_in_a_batch_of_any_size():
    graph = judging_graph()
    assert read_metadata(graph).smallest_batch == 1
    runner, whole = session(graph), run(graph, FEEDS)
    for size in (1, 2, 7, 64):
        parts = [
            runner.run(None, {**FEEDS, **{name: FEEDS[name][start : start + size] for name in ("index", "label")}})
            for start in range(0, len(INDEX), size)
        ]
        for column, of_parts in zip(whole, zip(*parts, strict=True), strict=True):
            assert np.concatenate(of_parts).tobytes() == column.tobytes()


def test_a_seed_for_each_sample_draws_the_same_candidates():
    graph, seeds = judging_graph(), INDEX.astype(np.uint64) * np.uint64(12345)
    together = run(graph, {**FEEDS, "seed": seeds})
    for row in (0, 41, 99):
        alone = run(graph, draw(int(seeds[row]), [row], [row % 3]))
        assert [column[row].tobytes() for column in together] == [column[0].tobytes() for column in alone]


def test_graphs_of_different_opsets_are_brought_to_one():
    for sampler, network in ((17, 19), (17, 17), (17, 21)):
        graph = add_opinion(sampler_graph(LABELS), "confidence", corner_network(opset=network))
        assert [entry.version for entry in graph.opset_import] == [max(sampler, network)]
        check_graph(graph.SerializeToString())
        assert run(graph, FEEDS)[0].tobytes() == run(sampler_graph(LABELS), FEEDS)[0].tobytes()


def test_the_catalog_sees_the_columns_alone():
    info = check_graph(judging_graph(min_confidence=0.5).SerializeToString())
    assert info.columns == check_graph(sampler_graph(LABELS).SerializeToString()).columns
    assert info.metadata.opinions == ("confidence", "score")
    assert info.metadata.filter == {"min_confidence": 0.5}


def test_graphs_without_opinions_say_nothing_of_them():
    keys = {entry.key for entry in sampler_graph(LABELS).metadata_props}
    assert not keys & {"synthmill.opinions", "synthmill.filter"}
    assert {"synthmill.opinions", "synthmill.filter"} <= {entry.key for entry in judging_graph().metadata_props}


def test_a_graph_with_opinions_gets_no_others():
    info = check_graph(judging_graph().SerializeToString())
    with pytest.raises(FailedPrecondition, match="has opinions"):
        require_no_opinions(info, "models/m/versions/2")
    with pytest.raises(BadGraph, match="'confidence' already"):
        add_opinion(judging_graph(), "confidence", corner_network())
    require_no_opinions(check_graph(sampler_graph(LABELS).SerializeToString()), "models/m/versions/1")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"opinions": ("confidence", "taste")}, "each once of confidence, score"),
        ({"opinions": ("confidence", "confidence")}, "each once of confidence, score"),
        ({"opinions": ("confidence",)}, "no filter can go by them"),
        ({"filter": {"min_taste": 1}}, "min_taste = 1"),
        ({"filter": {"min_score": float("inf")}}, "min_score = inf"),
    ],
)
def test_metadata_that_do_not_fit_the_graph_are_refused(changes, problem):
    graph = with_metadata(judging_graph(), **changes)
    with pytest.raises(BadGraph, match=problem):
        check_graph(graph.SerializeToString())


def test_an_opinion_that_no_output_makes_is_refused():
    graph = judging_graph()
    kept = [value for value in graph.graph.output if value.name != "score"]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    with pytest.raises(BadGraph, match="opinion score must be an output"):
        check_graph(graph.SerializeToString())


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(BadGraph, match="takes 'label'"):
        add_opinion(sampler_graph(), "score", sum_network())
    builder = GraphBuilder("wide")
    builder.add("Cast", "image", to=TensorProto.FLOAT, output="y")
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 4, 4, 1])
    wide = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 4, 1])
    with pytest.raises(BadGraph, match="one output, float of"):
        add_opinion(sampler_graph(), "confidence", model_of(builder, [image], [wide]))


@pytest.mark.parametrize(
    ("axes", "keepdims", "alike"),
    [([1, 2, 3], 0, True), ([2, 3], 0, True), ([-1], 0, True), ([3], 0, True), ([1], 0, False), ([3], 1, False)],
    ids=str,
)
def test_sums_over_the_last_axes_become_sums_of_what_lies_side_by_side(axes, keepdims, alike):
    builder = GraphBuilder("sum")
    builder.add("ReduceSum", "x", builder.constant(axes, np.int64), keepdims=keepdims, output="y")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 5, 7])]
    before = model_of(builder, inputs, [helper.make_empty_tensor_value_info("y")])
    after = onnx.ModelProto()
    after.CopyFrom(before)
    sum_side_by_side(after)
    assert (smallest_batch(after.graph) == 1) == alike
    x = np.random.default_rng(0).standard_normal((9, 3, 5, 7)).astype(np.float32)
    np.testing.assert_allclose(run(after, {"x": x})[0], run(before, {"x": x})[0], rtol=1e-5)
