"""An 8-bit graph is a sampler graph like any other: it makes nearly the same samples, by the same addresses."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from unit.learning.compress import graphs
from unit.learning.compress.graphs import draw, untouched

from synthmill.learning.compress.quantise import quantise
from synthmill.learning.graph.check import check_graph
from synthmill.runtime.errors import FailedPrecondition


@pytest.fixture(scope="module")
def original() -> bytes:
    return graphs.image_graph()


@pytest.fixture(scope="module")
def quantised(original) -> bytes:
    return make(original)


def make(graph: bytes, **options) -> bytes:
    return quantise(graph, **{"seed": 1, "samples": 256, "reduce_range": True} | options)


def weights(graph: bytes) -> list[np.ndarray]:
    tensors = onnx.load_from_string(graph).graph.initializer
    return [numpy_helper.to_array(tensor) for tensor in tensors if tensor.data_type == TensorProto.INT8]


@pytest.mark.parametrize("labels", [graphs.LABELS, ()], ids=["conditional", "unconditional"])
def test_samples_hardly_change(labels):
    original = graphs.image_graph(labels)
    difference = draw(make(original), 300, labels) - draw(original, 300, labels)
    assert 0 < np.abs(difference).mean() < 3
    assert abs(difference.mean()) < 1.5


def test_what_a_graph_says_and_takes_stays_as_it_is(original, quantised):
    before, after = check_graph(original), check_graph(quantised)
    assert after == before
    inputs = [
        [value.SerializeToString() for value in onnx.load_from_string(graph).graph.input]
        for graph in (original, quantised)
    ]
    assert inputs[0] == inputs[1]


def test_noise_and_finish_stay_as_they_are(original, quantised):
    assert untouched(quantised, original) == untouched(original, original)


@pytest.mark.parametrize(("reduce_range", "largest"), [(True, 64), (False, 127)])
def test_every_convolution_has_weights_of_so_many_bits(original, reduce_range, largest):
    convolutions = [node for node in onnx.load_from_string(original).graph.node if node.op_type == "Conv"]
    wide = [tensor for tensor in weights(make(original, reduce_range=reduce_range)) if tensor.ndim == 4]
    assert len(wide) == len(convolutions) > 1
    assert max(np.abs(tensor.astype(int)).max() for tensor in wide) == largest


def test_the_same_seed_gives_the_same_bytes_and_another_seed_sees_other_ranges(original, quantised):
    assert make(original) == quantised
    assert make(original, seed=2) != quantised


def test_a_sample_is_the_same_in_batches_of_all_sizes(quantised):
    whole = draw(quantised, 96)
    for size in (1, 3, 16, 32):
        assert np.array_equal(np.concatenate([draw_at(quantised, start, size) for start in range(0, 96, size)]), whole)


def draw_at(graph: bytes, start: int, count: int) -> np.ndarray:
    return draw(graph, count, start=start)


def test_truncation_is_still_an_optional_input(original, quantised):
    still = {"truncation": np.zeros(1, np.float32)}
    mean = draw(quantised, 9, **still)
    assert np.array_equal(mean[0], mean[3])
    assert np.abs(mean - draw(original, 9, **still)).mean() < 3


def test_black_and_white_are_reached():
    original = graphs.image_graph(contrast=20.0)
    before, after = draw(original, 500), draw(make(original), 500)
    for level in (0, 255):
        extreme = before == level
        assert extreme.any()
        assert (np.abs(after - level)[extreme] <= 1).mean() > 0.9


def test_without_convolutions_matrix_products_are_quantised():
    original = graphs.dense_graph()
    quantised = make(original)
    assert [tensor.shape for tensor in weights(quantised) if tensor.ndim > 1] == [(8, 16)]
    assert untouched(quantised, original) == untouched(original, original)
    assert np.abs(draw(quantised, 300, ()) - draw(original, 300, ())).mean() < 3


def test_a_graph_that_integers_would_not_help_is_refused():
    with pytest.raises(FailedPrecondition, match="neither convolutions nor matrix products"):
        make(graphs.transposed_graph())
