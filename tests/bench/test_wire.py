"""How fast finished samples travel from one process to another, by size of chunk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from bench.wire_service import IMAGE_BYTES

from synthmill.runtime.channels import connect_sync
from synthmill.runtime.tensors import from_batch
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import sampling_service_pb2_grpc

TESTS = str(Path(__file__).resolve().parents[1])
KIB, MIB = 1024, 1024 * 1024
CHUNK_BYTES = (4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 3 * MIB)
SECONDS_EACH = 2.0

pytestmark = pytest.mark.slow


@pytest.fixture
def channel(tmp_path) -> Iterator[grpc.Channel]:
    command = [sys.executable, "-m", "bench.wire_service", "--store", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": TESTS}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    with process, connect_sync(json.loads(process.stdout.readline())["address"]) as channel:
        yield channel
        process.terminate()


def test_large_chunks_are_worth_it(channel):
    stub = sampling_service_pb2_grpc.SamplingServiceStub(channel)
    rates = {chunk_bytes: measure(stub, chunk_bytes) for chunk_bytes in CHUNK_BYTES}
    print("\n  chunk      MiB/s   images 28x28/s")
    for chunk_bytes, rate in rates.items():
        print(f"{chunk_bytes // KIB:5d} KiB {rate / MIB:10,.0f} {rate / IMAGE_BYTES:16,.0f}")
    assert rates[MIB] > 2 * rates[16 * KIB]


def measure(stub: sampling_service_pb2_grpc.SamplingServiceStub, chunk_bytes: int) -> float:
    """Returns the bytes of images that arrive and are unpacked in a second."""
    request = pb.StreamSamplesRequest(model="models/any", count=2**40, chunk_bytes=chunk_bytes)
    stream = stub.StreamSamples(request)
    received, start = 0, None
    for chunk in stream:
        images = from_batch(chunk.batch)["image"]
        if start is None:
            start = time.perf_counter()
            continue
        received += images.nbytes
        if time.perf_counter() - start > SECONDS_EACH:
            break
    stream.cancel()
    return received / (time.perf_counter() - start)
