"""What the sampling service keeps of a GPU's speed: the Fashion-MNIST generator in float32, tf32 and float16.

And how many images are augmented with a GPU, and without. The README of the sampling service says how to run it on a
machine that has a GPU and little else. Lengths can be set, see `bench.lab.Lengths`.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import pytest
from bench import gpu
from bench.lab import Lengths
from bench.peers.augmenting import pictures

from support.gpu import why_no_cuda
from synthmill.bench.workers import Worker
from synthmill.cli.output import table
from synthmill.kinds.image.augmentation.device import Device
from synthmill.kinds.image.augmentation.engine import Augmenter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.kinds.image.augmentation.ready_made import READY_MADE
from synthmill.sampling.hardware import CUDA

LENGTHS = Lengths.from_environment()
CLIENTS = (1, 2, 4)
SIZES = (1024, 4096)
LEAST_SHARE = 0.8
SIDE = 224
BATCHES = (16, 64, 256)

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


@pytest.fixture
def opencv_on_one_core() -> Iterator[None]:
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(-1)


@pytest.mark.usefixtures("opencv_on_one_core")
def test_images_are_augmented_sooner_than_by_one_core():
    policy, device, rows, rates = image_policy(READY_MADE["standard"]), Device(CUDA), [], {}
    with ThreadPoolExecutor(os.cpu_count()) as cores:
        ways = {
            "OpenCV, one core": Augmenter(policy),
            "OpenCV, all cores": Augmenter(policy, executor=cores),
            "GPU, one core": Augmenter(policy, device=device),
            "GPU, all cores": Augmenter(policy, executor=cores, device=device),
        }
        for name, augmenter in ways.items():
            rates[name] = [augmented_rate(augmenter, size) for size in BATCHES]
            rows.append([name, *(f"{rate:,.0f}" for rate in rates[name])])
    print("\n" + table(["", *(f"{size} at a time" for size in BATCHES)], rows))
    print(f"  images a second of {SIDE} x {SIDE} pixels, by the policy 'standard'")
    assert max(rates["GPU, one core"]) > max(rates["OpenCV, one core"])


def augmented_rate(augmenter: Augmenter, size: int) -> float:
    """Returns the images a second of batches of one size, the median of rounds."""
    examples = [Example(image) for image in pictures(SIDE)[:size]]
    augmenter.augment(examples, range(size), 0)
    rates = []
    for seed in range(LENGTHS.rounds):
        began, done = time.perf_counter(), 0
        while time.perf_counter() < began + LENGTHS.seconds:
            augmenter.augment(examples, range(done, done + size), seed)
            done += size
        rates.append(done / (time.perf_counter() - began))
    return statistics.median(rates)
