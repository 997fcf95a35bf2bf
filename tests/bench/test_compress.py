"""How much faster a generator for Fashion-MNIST becomes by compression, and what that costs.

SYNTHMILL_FASHION_MNIST names the folder with the four .gz files of the data set. Training takes most of the time; what
it makes stays in `bench-out/`, so that a second run begins with the measurements. SYNTHMILL_BENCH_TRAIN_STEPS sets its
length, SYNTHMILL_BENCH_FAMILY its family.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import pytest
from bench.fashion import DATA, LABELS, OUT, SCHEMA, read_split, write_columns

from synthmill.learning.compress.run import compress
from synthmill.learning.compress.speed import measure_speed
from synthmill.learning.compress.task import CompressionResult, CompressionTask, RealRecords, check_methods, resolve
from synthmill.learning.configuration import resolve as resolve_training
from synthmill.learning.graph.check import check_graph
from synthmill.learning.run import train
from synthmill.learning.task import Machine, TrainingTask, never_stop

STEPS = "SYNTHMILL_BENCH_TRAIN_STEPS"
FAMILY = "SYNTHMILL_BENCH_FAMILY"
MACHINE = Machine(threads=1)
MAX_LOSS = 0.5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(4 * 3600),
    pytest.mark.skipif(DATA not in os.environ, reason=f"{DATA}: no folder with Fashion-MNIST"),
]


@pytest.fixture(scope="module")
def columns() -> dict[str, dict[str, Path]]:
    """Files of the columns by split."""
    return {split: write_columns(OUT, read_split(split), split) for split in ("train", "test")}


@pytest.fixture(scope="module")
def original(columns) -> CompressionTask:
    steps, family = int(os.environ.get(STEPS, "2000")), os.environ.get(FAMILY, "vae")
    parameters = resolve_training("image", family, {"steps": steps}, SCHEMA, 60_000)
    task = TrainingTask("fashion", "image", SCHEMA, LABELS, columns["train"], family, parameters, seed=1)
    made = train(task, OUT / family, machine=MACHINE).artifacts
    return CompressionTask(
        version="models/fashion/versions/1",
        digest=hashlib.sha256(made["sampler.onnx"].read_bytes()).hexdigest(),
        graph=made["sampler.onnx"],
        card=json.loads(made["card.json"].read_bytes()),
        weights=made["weights.safetensors"],
        methods=(),
        parameters=resolve({}),
        max_loss=MAX_LOSS,
        real=RealRecords("datasets/fashion/versions/1", "test", columns["test"], 60_000),
        seed=1,
    )


def ratios(original: CompressionTask, methods: list[str], capsys) -> list[float]:
    """Compresses within the bound, prints the figures, and returns the ratios of speed with one thread."""
    task = dataclasses.replace(original, methods=check_methods(methods))
    said: list[str] = []
    result: CompressionResult = compress(task, OUT / "compressed", machine=MACHINE, say=said.append)
    graphs = {"before": task.graph.read_bytes(), "after": result.artifacts["sampler.onnx"].read_bytes()}
    every_core = measure_speed(graphs, check_graph(graphs["before"]), 0, never_stop)
    with capsys.disabled():
        print(f"\n  {' and '.join(task.methods)}: " + "\n    ".join(said))
        for size, rates in every_core.items():
            print(f"    batch {size}, a thread per core: {rates['after'] / rates['before']:.2f} times as many")
        print(f"    bytes: {result.metrics['bytes_before']:,} before, {result.metrics['bytes_after']:,} after")
    return [value for name, value in result.metrics.items() if name.startswith("speed_ratio")]


def test_int8_is_nearly_twice_as_fast_within_half_a_point(original, capsys):
    assert min(ratios(original, ["int8"], capsys)) >= 1.8


def test_pruned_int8_is_two_and_a_half_times_as_fast_within_half_a_point(original, capsys):
    assert min(ratios(original, ["prune", "int8"], capsys)) >= 2.5
