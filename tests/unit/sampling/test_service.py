"""The service over gRPC: what it answers and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from unit.graph.generators import LABELS
from unit.sampling.serving import (
    FLOATS,
    SHAPES,
    SLOW,
    WORDS,
    Service,
    dense,
    engine_of,
    floats_graph,
    publish_all,
    refusal,
    serving,
    slow_graph,
    words_graph,
)

from synthmill.runtime import errors
from synthmill.runtime.tensors import from_batch
from synthmill.sampling.engine import Draw, Engine
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.label_plan_pb2 import LabelPlan


@pytest.fixture(scope="module")
async def service(tmp_path_factory) -> AsyncIterator[Service]:
    """A service that takes whatever it is asked for."""
    async with serving(tmp_path_factory.mktemp("service"), max_wait_s=1000.0, workers=2) as service:
        publish_all(service)
        yield service


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The graph of "floats", without the service."""
    return engine_of(floats_graph(width=500))


async def test_sample_is_what_the_graph_makes(service, engine):
    expected = engine.sample(Draw(2**64 - 1, np.arange(7, 40), truncation=0.5))
    found = await service.sample(FLOATS, 33, seed=2**64 - 1, start_index=7, truncation=0.5)
    assert (found.first_index, found.count, found.model) == (7, 33, f"{FLOATS}/versions/1")
    assert found.model_digest == service.catalog.models[FLOATS].digest
    for name, column in from_batch(found.batch).items():
        assert column.tobytes() == expected[name].tobytes()


async def test_large_request_is_what_the_graph_makes(service):
    count = (3 << 20) // (32 * 4 * 4 * 4)
    expected = engine_of(slow_graph()).sample(Draw(4, np.arange(count)))["x"]
    found = await service.sample(SLOW, count, seed=4)
    assert (found.first_index, found.count) == (0, count)
    assert from_batch(found.batch)["x"].tobytes() == expected.tobytes()


async def test_indices_come_in_their_order_with_labels_of_their_own(service):
    indices = [2**48 - 1, 3, 3, 100]
    found = await service.client.sampling.sample(SHAPES, indices=indices, seed=5)
    assert found["label"].tolist() == [index % 3 for index in indices]
    for position, index in enumerate(indices):
        alone = await service.client.sampling.sample(SHAPES, 1, start_index=index, seed=5)
        assert alone["image"][0].tobytes() == found["image"][position].tobytes()


async def test_label_plan_decides_the_labels(service):
    plan = LabelPlan(label="triangle")
    found = from_batch((await service.sample(SHAPES, 20, label_plan=plan)).batch)
    assert found["label"].tolist() == [2] * 20
    counts = await service.stub.CountLabels(pb.CountLabelsRequest(model=SHAPES, count=10))
    assert dict(counts.counts) == {"circle": 4, "square": 3, "triangle": 3}


async def test_strings_travel(service):
    expected = engine_of(words_graph()).sample(Draw(1, np.arange(5000)))["word"].tolist()
    found = [word async for chunk in service.stream(WORDS, 5000, seed=1) for word in from_batch(chunk.batch)["word"]]
    assert found == expected


@pytest.mark.parametrize("chunk_bytes", [1, 100_000, 1 << 20, 3 << 20])
async def test_stream_comes_in_chunks_of_about_the_size_asked_for(service, engine, chunk_bytes):
    sample_bytes = engine.signature.sample_bytes
    count = 3 * (3 << 20) // sample_bytes
    chunks = [chunk async for chunk in service.stream(FLOATS, count, seed=3, start_index=5, chunk_bytes=chunk_bytes)]
    starts = np.cumsum([5, *(chunk.count for chunk in chunks)])
    assert [chunk.first_index for chunk in chunks] == starts[:-1].tolist()
    assert starts[-1] == 5 + count
    assert [chunk.model for chunk in chunks] == [f"{FLOATS}/versions/1"] + [""] * (len(chunks) - 1)
    assert len({chunk.model_digest for chunk in chunks}) == 1
    # Whole batches: never more than asked for, unless a batch is.
    assert all(chunk.count * sample_bytes <= max(chunk_bytes, 1 << 20) for chunk in chunks)
    if chunk_bytes > 1 << 20:
        assert chunks[0].count * sample_bytes > chunk_bytes / 2
    joined = b"".join(from_batch(chunk.batch)["x"].tobytes() for chunk in chunks)
    assert joined == engine.sample(Draw(3, np.arange(5, 5 + count)))["x"].tobytes()


async def test_first_chunk_of_a_slow_model_comes_soon(service):
    await service.client.sampling.load_model(SLOW)
    call = service.stream(SLOW, 10**7)
    chunk = await anext(aiter(call))
    call.cancel()
    # A mebibyte of it would take some hundred milliseconds and more.
    assert len(chunk.batch.columns[0].data) < 0.9 * (1 << 20)


async def test_streams_and_requests_at_once_all_get_their_own_bytes(service, engine):
    expected = {seed: engine.sample(Draw(seed, np.arange(6000)))["x"].tobytes() for seed in range(4)}

    async def whole(seed: int) -> None:
        chunks = [chunk async for chunk in service.stream(FLOATS, 6000, seed=seed, chunk_bytes=300_000)]
        assert b"".join(from_batch(chunk.batch)["x"].tobytes() for chunk in chunks) == expected[seed]

    async def parts(seed: int) -> None:
        size = len(expected[seed]) // 6000
        for start in range(0, 6000, 700):
            found = await service.sample(FLOATS, 300, seed=seed, start_index=start)
            assert from_batch(found.batch)["x"].tobytes() == expected[seed][start * size : (start + 300) * size]

    await asyncio.gather(*(each(seed) for seed in range(4) for each in (whole, parts, whole)))


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"model": "models/unknown"}, errors.NotFound, None),
        ({"model": "nonsense"}, errors.InvalidField, "model"),
        ({"model": FLOATS, "start_index": -1}, errors.InvalidField, "start_index"),
        ({"model": FLOATS, "count": -1}, errors.InvalidField, "count"),
        ({"model": FLOATS, "start_index": 2**48 - 1, "count": 2}, errors.InvalidField, "count"),
        ({"model": FLOATS, "truncation": float("nan")}, errors.InvalidField, "truncation"),
        ({"model": FLOATS, "truncation": 0.0}, errors.InvalidField, "truncation"),
        ({"model": FLOATS, "label_plan": LabelPlan(label="circle")}, errors.InvalidField, "label_plan"),
        ({"model": SHAPES, "label_plan": LabelPlan(label="hexagon")}, errors.InvalidField, "label_plan.label"),
        (
            {"model": SHAPES, "count": 9, "label_plan": LabelPlan(counts={"counts": {"circle": 8}})},
            errors.OutOfRange,
            None,
        ),
    ],
)
async def test_bad_requests_are_refused_by_field(service, fields, error, field):
    fields = {"count": 1} | fields
    for told in (
        await refusal(service.stub.Sample(pb.SampleRequest(**fields))),
        await refusal(anext(aiter(service.stub.StreamSamples(pb.StreamSamplesRequest(**fields))))),
    ):
        assert type(told) is error
        assert field is None or told.metadata["field"] == field


async def test_answer_that_is_too_large_is_refused_and_that_is_no_overload(service):
    told = await refusal(service.sample(FLOATS, 10_000))
    assert type(told) is errors.ResourceExhausted
    assert "StreamSamples" in told.message
    # The SDK asks for it in parts.
    assert (await service.client.sampling.sample(FLOATS, 5000)).count == 5000


@pytest.mark.parametrize("chunk_bytes", [-1, (3 << 20) + 1])
async def test_chunks_have_a_largest_size(service, chunk_bytes):
    told = await refusal(anext(aiter(service.stream(FLOATS, 1, chunk_bytes=chunk_bytes))))
    assert told.metadata["field"] == "chunk_bytes"


async def test_damaged_model_is_refused_and_the_others_go_on(service):
    broken = service.publish(dense(7), "broken/versions/1", LABELS)
    broken.digest = "0" * 64
    for method in ("Sample", "StreamSamples"):
        call = service.sample("models/broken", 1)
        if method == "StreamSamples":
            call.close()
            call = anext(aiter(service.stream("models/broken", 1)))
        assert isinstance(await refusal(call), errors.DataLoss)
    assert (await service.sample(FLOATS, 1)).count == 1


async def test_models_are_loaded_listed_and_unloaded_on_request(tmp_path):
    async with serving(tmp_path) as service:
        publish_all(service)
        sampling = service.client.sampling
        assert await sampling.list_loaded_models() == []
        loaded = await sampling.load_model(WORDS)
        assert (loaded.model.name, loaded.provider) == (f"{WORDS}/versions/1", "CPUExecutionProvider")
        assert [model.model.name for model in await sampling.list_loaded_models()] == [f"{WORDS}/versions/1"]
        await sampling.unload_model(f"{WORDS}/versions/1")
        assert await sampling.list_loaded_models() == []
        with pytest.raises(errors.NotFound):
            await sampling.unload_model(f"{WORDS}/versions/1")
