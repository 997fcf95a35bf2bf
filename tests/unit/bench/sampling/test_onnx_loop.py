"""The bare ONNX Runtime loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import model_of

from synthmill.bench.processes import resident_bytes
from synthmill.bench.sampling.onnx_loop import loop_rate
from synthmill.bench.workers import Worker
from synthmill.learning.graph.builder import GraphBuilder

# Each sample passes through so many floats, though it is but one.
WIDTH = 1 << 16
BATCH = 256
ARENA_BYTES = BATCH * WIDTH * 4


@pytest.fixture
def wide(tmp_path) -> Path:
    builder = GraphBuilder("wide")
    tiled = builder.add("Tile", "z", builder.constant([1, WIDTH], np.int64))
    builder.add("ReduceSum", builder.add("Tanh", tiled), builder.constant([1], np.int64), output="x")
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 1])]
    outputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])]
    path = tmp_path / "wide.onnx"
    onnx.save(model_of(builder, inputs, outputs), path)
    return path


@pytest.mark.parametrize("bound", [False, True])
def test_rates_are_told(wide, bound):
    setting = {"path": str(wide), "threads": 1, "sessions": 2, "batch": 4, "bound": bound}
    rates = loop_rate(setting, 0.1)
    assert rates["samples_per_s"] > 0
    assert rates["samples_per_cpu_s"] > 0


def test_memory_of_a_setting_is_given_back_before_the_next_one(wide):
    with Worker() as worker:
        sizes = []
        for threads in (1, 2, 3, 4):
            setting = {"path": str(wide), "threads": threads, "sessions": 1, "batch": BATCH}
            worker.begin("loop_rate", setting=setting, seconds=0.01)
            worker.finish(60)
            sizes.append(resident_bytes(worker.pid))
    assert sizes[0] > ARENA_BYTES
    assert max(sizes) - sizes[0] < ARENA_BYTES
