"""The Node client, made from protos/ alone, against services of our own that answer as the real ones do."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.errors import NotFound, Unavailable
from synthmill.runtime.service import Drain
from synthmill.runtime.tensors import to_batch
from synthmill.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    model_pb2,
    sampling_service_pb2,
    sampling_service_pb2_grpc,
)

CLIENT = Path(__file__).parents[2] / "clients" / "node"
LABELS = ["zero", "one", "two"]
CHUNK = 999
PIXELS = 8 * 8
VERSIONS = [f"models/digits/versions/{number}" for number in (3, 2, 1)]

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (CLIENT / "node_modules").exists(), reason="clients/node/node_modules is missing: run 'make setup'"
    ),
]


def draw(seed: int, index: np.ndarray) -> dict[str, np.ndarray]:
    """Images and labels by address: a pure function, as the real samples are."""
    pixels = (index[:, None] * 7 + np.arange(PIXELS) + seed % 251) % 251
    return {"image": pixels.astype(np.uint8).reshape(-1, 8, 8, 1), "label": index % len(LABELS)}


class Catalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Lists three versions, one a page."""

    async def ListModels(self, request, context):
        position = int(request.page_token or "0")
        token = str(position + 1) if position + 1 < len(VERSIONS) else ""
        models = [model_pb2.Model(name=VERSIONS[position])]
        return catalog_service_pb2.ListModelsResponse(models=models, next_page_token=token)

    async def GetModel(self, request, context):
        if request.name not in ("models/digits", VERSIONS[0]):
            raise NotFound(f"no model {request.name!r}", resource=request.name)
        return model_pb2.Model(name=VERSIONS[0], labels=LABELS, digest="d" * 64)


@dataclasses.dataclass
class Sampling(sampling_service_pb2_grpc.SamplingServiceServicer):
    """Streams chunks of 999 samples, and breaks off as often as it is told to."""

    breaks: int = 0
    refused: bool = False
    asked: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    async def StreamSamples(self, request, context) -> AsyncIterator[sampling_service_pb2.SampleChunk]:
        self.asked.append((request.start_index, request.count))
        end = request.start_index + request.count
        for first in range(request.start_index, end, CHUNK):
            if self.refused or (self.breaks and first > request.start_index):
                self.breaks -= 1
                raise Unavailable("draining", next_index=first)
            index = np.arange(first, min(first + CHUNK, end))
            yield sampling_service_pb2.SampleChunk(
                first_index=first, count=len(index), batch=to_batch(draw(request.seed, index)), model_digest="d" * 64
            )


@dataclasses.dataclass(frozen=True)
class Services:
    address: str
    sampling: Sampling


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    server = grpc.aio.server()
    observed = ObservedServer(server, "test", Drain())
    sampling = Sampling()
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(Catalog(), observed)
    sampling_service_pb2_grpc.add_SamplingServiceServicer_to_server(sampling, observed)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield Services(f"127.0.0.1:{port}", sampling)
    await server.stop(None)


async def run_client(services: Services, *flags: str) -> tuple[int, str, str]:
    addresses = ["--catalog", services.address, "--sampling", services.address]
    process = await asyncio.create_subprocess_exec(
        "node", CLIENT / "sample.js", *addresses, *flags, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def expected_summary(seed: int, start: int, count: int) -> dict:
    columns = draw(seed, np.arange(start, start + count))
    counts = np.bincount(columns["label"])
    return {
        "models": VERSIONS,
        "model": VERSIONS[0],
        "model_digest": "d" * 64,
        "count": count,
        "first_index": start,
        "last_index": start + count - 1,
        "label_counts": {label: int(number) for label, number in zip(LABELS, counts, strict=True)},
        "sha256": {
            name: hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()
            for name, array in columns.items()
        },
    }


async def test_lists_models_and_streams_samples(services):
    status, out, err = await run_client(services, "--model", "models/digits", "--count", "10000", "--seed", "7")
    assert (status, err) == (0, "")
    assert json.loads(out) == expected_summary(seed=7, start=0, count=10_000)
    assert services.sampling.asked == [(0, 10_000)]


async def test_goes_on_where_a_broken_stream_stopped(services):
    services.sampling.breaks = 2
    status, out, err = await run_client(services, "--model", "models/digits", "--count", "5000", "--start", "40")
    assert (status, err) == (0, "")
    assert json.loads(out) == expected_summary(seed=0, start=40, count=5000)
    assert services.sampling.asked == [(40, 5000), (40 + CHUNK, 5000 - CHUNK), (40 + 2 * CHUNK, 5000 - 2 * CHUNK)]


async def test_gives_up_on_a_service_that_stays_away(services):
    services.sampling.refused = True
    status, out, err = await run_client(services, "--model", "models/digits", "--count", "10")
    assert (status, out, err) == (1, "", "UNAVAILABLE: draining\n")
    assert len(services.sampling.asked) == 6


async def test_error_of_a_service_is_told(services):
    status, out, err = await run_client(services, "--model", "models/none")
    assert (status, out, err) == (1, "", "NOT_FOUND: no model 'models/none'\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--model is missing"),
        (("--model", "models/digits", "--count", "-1"), "--count"),
        (("--model", "models/digits", "--seed", "x"), '--seed: got "x", allowed: whole numbers from 0'),
        (("--modell", "models/digits"), "--modell"),
    ],
    ids=["no-model", "negative-count", "seed-no-number", "unknown-flag"],
)
async def test_bad_flag_is_named(services, flags, message):
    status, out, err = await run_client(services, *flags)
    assert (status, out) == (2, "")
    assert message in err
    assert "Usage: node sample.js" in err


async def test_seed_beyond_a_double_arrives_whole(services):
    seed = 2**64 - 1
    status, out, _ = await run_client(services, "--model", "models/digits", "--count", "3", "--seed", str(seed))
    assert status == 0
    assert json.loads(out) == expected_summary(seed, start=0, count=3)
