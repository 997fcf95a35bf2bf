"""Which execution provider is chosen, and what is said about it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from synthmill.runtime.errors import BadGraph
from synthmill.sampling.providers import CPU, PREFERENCE, choose_provider, session_opener

CUDA = "CUDAExecutionProvider"


@pytest.fixture(scope="module")
def graph() -> bytes:
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("x", "y")]
    made = helper.make_graph([node], "g", ends[:1], ends[1:])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_cpu_is_what_is_left_and_the_reason_names_the_others(graph):
    session, choice = choose_provider(graph, session_opener(1), [CPU])
    assert session.run(None, {"x": np.ones(3, np.float32)})[0].tolist() == [1, 1, 1]
    assert choice.name == CPU
    assert all(name in choice.reason for name in PREFERENCE[:2])


def test_first_that_starts_is_taken(graph):
    asked = []

    def open_session(data, providers):
        asked.append(list(providers))
        if providers[0] == CUDA:
            raise RuntimeError("no device")
        return onnxruntime.InferenceSession(data, providers=[CPU])

    _, choice = choose_provider(graph, open_session, [CUDA, CPU])
    assert asked == [[CUDA, CPU], [CPU]]
    assert choice.name == CPU
    assert "no device" in choice.reason


def test_provider_that_is_left_out_silently_does_not_count_as_started(graph):
    open_session = lambda data, providers: onnxruntime.InferenceSession(data, providers=[CPU])  # noqa: E731
    _, choice = choose_provider(graph, open_session, [CUDA, CPU])
    assert choice.name == CPU
    assert "left it out" in choice.reason


def test_graph_that_nothing_can_run_is_refused():
    with pytest.raises(BadGraph, match=CPU):
        choose_provider(b"no graph", session_opener(1), [CPU])


@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="this machine has no CUDA provider")
def test_cuda_is_preferred_where_it_is(graph):
    assert choose_provider(graph, session_opener(1), onnxruntime.get_available_providers())[1].name != CPU


def test_fixture_is_a_valid_graph(graph):
    onnx.checker.check_model(onnx.load_from_string(graph))
