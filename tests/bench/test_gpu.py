"""What the sampling service keeps of a GPU's speed: the Fashion-MNIST generator in float32, tf32 and float16.

And how much sooner images are augmented with one. The README of the sampling service says how to run it on a machine that has a GPU and little else. Lengths can be set,
see `bench.lab.Lengths`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import gpu
from bench.lab import Lengths

from support.gpu import why_no_cuda
from synthmill.bench.workers import Worker
from synthmill.cli.output import table
from synthmill.sampling.hardware import CUDA

LENGTHS = Lengths.from_environment()
CLIENTS = (1, 2, 4)
SIZES = (1024, 4096)
LEAST_SHARE = 0.8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(why_no_cuda()), reason=why_no_cuda()),
]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> dict[str, Path]:
    return gpu.write_graphs(tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="module")
def clients() -> Iterator[list[Worker]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Worker()) for _ in range(max(CLIENTS))]


def test_streams_keep_most_of_what_device_and_pipe_allow(graphs, clients, tmp_path):
    rows, shares = [], {}
    pipes = {number: gpu.pipe_rate(clients[:number], LENGTHS.seconds)["bytes_per_s"] for number in CLIENTS}
    for way in gpu.WAYS:
        found = measure(way, graphs, clients, tmp_path / way.name.replace(", ", "-"), CUDA, SIZES)
        device = max(found["bare"], found["copied"])
        limits = {number: min(device, pipes[number] / found["sample_bytes"]) for number in CLIENTS}
        shares[way.name] = max(found[number] / limits[number] for number in CLIENTS)
        rates = [found["bare"], found["copied"], *(found[number] for number in CLIENTS)]
        rows.append([way.name, found["provider"], *(f"{rate:,.0f}" for rate in rates), f"{shares[way.name]:.2f}"])
    heads = ["", "on", "bare loop", "with copies", *(f"{number} streams" for number in CLIENTS), "share of the least"]
    print("\n" + table(heads, rows))
    pipe = ", ".join(f"{rate / found['sample_bytes']:,.0f} ({number})" for number, rate in pipes.items())
    print(f"  samples a second; the bare pipe moves as many bytes as {pipe}")
    assert min(shares.values()) >= LEAST_SHARE


def measure(way: gpu.Way, graphs, clients, folder: Path, provider: str, sizes) -> dict:
    """Measures one way: the device alone, and what clients get."""
    folder.mkdir(parents=True)
    loops = gpu.device_rates(graphs[way.graph], way, LENGTHS.seconds, provider, sizes)
    found = {name: max(loops[name].values()) for name in ("bare", "copied")}
    with gpu.running_service(folder, graphs, [*way.flags, "--providers", provider]) as service:
        loaded = gpu.load(service, way.graph)
        for number in CLIENTS:
            rates = [
                gpu.stream_rate(service, way.graph, clients[:number], LENGTHS.seconds)["samples_per_s"]
                for _ in range(LENGTHS.rounds)
            ]
            found[number] = sorted(rates)[len(rates) // 2]
    assert loaded.provider == provider, loaded.provider_reason
    assert not way.graphs or loaded.provider_reason == "first choice", loaded.provider_reason
    return {**found, "provider": loaded.provider, "sample_bytes": loops["sample_bytes"]}
