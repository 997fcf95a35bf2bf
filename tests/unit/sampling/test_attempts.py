"""The ways to run a graph, with whatever this machine has: none of them fails without saying of what."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from unit.sampling.serving import floats_graph

from synthmill.sampling.attempts import default_workers, plan_attempts
from synthmill.sampling.hardware import CPU, CUDA, KNOWN, TENSORRT, GpuSettings
from synthmill.sampling.providers import TRAITS, use_first

AVAILABLE = onnxruntime.get_available_providers()


@pytest.fixture(scope="module")
def graph() -> bytes:
    return floats_graph().SerializeToString()


def test_cuda_is_tried_with_graphs_and_then_without():
    attempts = plan_attempts(KNOWN)
    assert [attempt.provider for attempt in attempts] == [TENSORRT, CUDA, CUDA, CPU]
    assert "CUDA graphs" in attempts[1].title
    assert [attempt.title for attempt in plan_attempts([CUDA], gpu=GpuSettings(graphs=False))] == [CUDA]


def test_cpu_is_what_is_left_and_the_reason_names_the_others(graph):
    used = {}

    def use(runner, choice):
        feeds = {"seed": np.array([1], np.uint64), "index": np.arange(3)}
        used["x"] = runner.session.run(["x"], feeds)[0]
        return choice

    choice = use_first(graph, plan_attempts([TENSORRT, CPU]), use, [CPU])
    assert choice.name == CPU
    assert TENSORRT in choice.reason
    assert used["x"].shape == (3, 5)


@pytest.mark.parametrize("provider", [CUDA, TENSORRT])
def test_gpu_that_is_not_there_is_said_to_be_missing(graph, provider, tmp_path):
    for attempt in plan_attempts([provider], gpu=GpuSettings(index=999, cache=tmp_path)):
        with pytest.raises(RuntimeError, match=r"cuda-bindings|cudaError\w+: |there is no GPU 999"):
            attempt.open(graph)
    assert not list(tmp_path.iterdir())


def test_file_that_is_no_graph_is_refused():
    with pytest.raises(RuntimeError, match=r"(?i)protobuf"):
        plan_attempts([CPU])[0].open(b"no graph")


def test_workers_are_as_many_as_cores_without_a_gpu():
    assert default_workers([CPU]) == os.cpu_count()
    assert default_workers([CUDA, CPU]) in (os.cpu_count(), TRAITS[CUDA].in_flight)
    if CUDA not in AVAILABLE:
        assert default_workers([CUDA, CPU]) == os.cpu_count()


def test_nothing_of_cuda_is_imported_without_need():
    script = (
        "import sys, synthmill.sampling.__main__ as m, synthmill.sampling.attempts as a\n"
        "a.default_workers(['CPUExecutionProvider'])\n"
        "print(sorted(n for n in sys.modules if n.partition('.')[0] in ('cuda', 'torch', 'onnx', 'tensorrt')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
