"""The service over gRPC: what it answers, what it refuses, and who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from unit.graph.generators import LABELS
from unit.sampling.serving import (
    FakeCatalog,
    Service,
    dense,
    engine_of,
    floats_graph,
    metric,
    serving,
    slow_graph,
    until,
    words_graph,
)

from synthmill.client import AsyncClient
from synthmill.runtime import errors
from synthmill.runtime.status import DETAILS_KEY, from_rpc_error
from synthmill.runtime.tensors import from_batch
from synthmill.sampling.engine import Draw, Engine
from synthmill.sampling.servicer import SERVICE
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.label_plan_pb2 import LabelPlan
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

FLOATS, SHAPES, WORDS, SLOW = "models/floats", "models/shapes", "models/words", "models/slow"
MANY = 10**7


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


def publish_all(service: Service) -> None:
    service.publish(floats_graph(width=500), "floats/versions/1")
    service.publish(dense(), "shapes/versions/1", LABELS)
    service.publish(words_graph(), "words/versions/1")
    service.publish(slow_graph(), "slow/versions/1")


def stream(service: Service, model: str, count: int, **fields):
    return service.stub.StreamSamples(pb.StreamSamplesRequest(model=model, count=count, **fields), timeout=60)


async def sample(service: Service, model: str, count: int, **fields) -> pb.SampleChunk:
    return await service.stub.Sample(pb.SampleRequest(model=model, count=count, **fields), timeout=60)


def active(method: str) -> float:
    return metric("active_calls", service="sampling", method=f"/{SERVICE}/{method}")


def computed(model: str) -> float:
    return metric("sampling_samples_total", model=f"{model}/versions/1")


async def refusal(call) -> errors.SynthmillError:
    """Waits for a call to fail; returns the error of our tree."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_sample_is_what_the_graph_makes(service, engine):
    expected = engine.sample(Draw(2**64 - 1, np.arange(7, 40), truncation=0.5))
    found = await sample(service, FLOATS, 33, seed=2**64 - 1, start_index=7, truncation=0.5)
    assert (found.first_index, found.count, found.model) == (7, 33, f"{FLOATS}/versions/1")
    assert found.model_digest == service.catalog.models[FLOATS].digest
    for name, column in from_batch(found.batch).items():
        assert column.tobytes() == expected[name].tobytes()


async def test_indices_come_in_their_order_with_labels_of_their_own(service):
    indices = [2**48 - 1, 3, 3, 100]
    found = await service.client.sampling.sample(SHAPES, indices=indices, seed=5)
    assert found["label"].tolist() == [index % 3 for index in indices]
    for position, index in enumerate(indices):
        alone = await service.client.sampling.sample(SHAPES, 1, start_index=index, seed=5)
        assert alone["image"][0].tobytes() == found["image"][position].tobytes()


async def test_label_plan_decides_the_labels(service):
    plan = LabelPlan(label="triangle")
    found = from_batch((await sample(service, SHAPES, 20, label_plan=plan)).batch)
    assert found["label"].tolist() == [2] * 20
    counts = await service.stub.CountLabels(pb.CountLabelsRequest(model=SHAPES, count=10))
    assert dict(counts.counts) == {"circle": 4, "square": 3, "triangle": 3}


async def test_strings_travel(service):
    expected = engine_of(words_graph()).sample(Draw(1, np.arange(5000)))["word"].tolist()
    found = [word async for chunk in stream(service, WORDS, 5000, seed=1) for word in from_batch(chunk.batch)["word"]]
    assert found == expected


@pytest.mark.parametrize("chunk_bytes", [1, 100_000, 1 << 20, 3 << 20])
async def test_stream_comes_in_chunks_of_about_the_size_asked_for(service, engine, chunk_bytes):
    sample_bytes = engine.signature.sample_bytes
    count = 3 * (3 << 20) // sample_bytes
    chunks = [
        chunk async for chunk in stream(service, FLOATS, count, seed=3, start_index=5, chunk_bytes=chunk_bytes)
    ]
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
    call = stream(service, SLOW, MANY)
    chunk = await anext(aiter(call))
    call.cancel()
    # A mebibyte of it would take some hundred milliseconds and more.
    assert len(chunk.batch.columns[0].data) < 0.9 * (1 << 20)


@pytest.mark.parametrize("way", ["cancel", "deadline", "connection"])
async def test_client_that_leaves_a_stream_frees_the_workers_within_a_batch(service, way):
    await service.client.sampling.load_model(SLOW)
    before = metric("sampling_cancelled_total", stage="stream")
    gc.disable()
    try:
        async with grpc.aio.insecure_channel(service.address) as channel:
            request = pb.StreamSamplesRequest(model=SLOW, count=MANY)
            call = SamplingServiceStub(channel).StreamSamples(request, timeout=0.8 if way == "deadline" else 60)
            await anext(aiter(call))
            assert active("StreamSamples") == 1
            if way == "cancel":
                call.cancel()
            if way == "deadline":
                with pytest.raises(grpc.aio.AioRpcError):
                    async for _chunk in call:
                        await asyncio.sleep(0.05)
        await until(lambda: not active("StreamSamples"), 5.0)
        await idle(SLOW)
        loaded = await service.client.sampling.list_loaded_models()
        assert all(model.active_calls == 0 for model in loaded)
    finally:
        gc.enable()
    assert metric("sampling_cancelled_total", stage="stream") == before + 1


async def test_client_that_leaves_a_single_call_frees_the_workers_within_a_batch(service):
    await service.client.sampling.load_model(SLOW)
    calls = [asyncio.ensure_future(sample(service, SLOW, 1000)) for _ in range(4)]
    await until(lambda: active("Sample") == 4)
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: not active("Sample"), 5.0)
    await idle(SLOW)
    assert metric("sampling_queued_rows") == metric("sampling_queued_bytes") == 0


async def test_many_cancelled_streams_leave_nothing_behind(service):
    async def one(number: int) -> None:
        call = stream(service, FLOATS, MANY, seed=number)
        for _ in range(number % 3):
            await anext(aiter(call))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call.code()

    await asyncio.gather(*(one(number) for number in range(60)))
    await until(lambda: not active("StreamSamples"), 5.0)
    assert metric("sampling_queued_rows") == metric("sampling_queued_bytes") == 0
    loaded = await service.client.sampling.list_loaded_models()
    assert all(model.active_calls == 0 for model in loaded)


async def idle(model: str) -> None:
    """Makes sure that no batch of a model ends any more."""
    await asyncio.sleep(0.1)

    def batches() -> float:
        return sum(metric("sampling_batch_seconds_count", batch_size=str(4**power)) for power in range(6))

    before = batches()
    await asyncio.sleep(0.1)
    assert batches() == before


async def test_stalled_readers_are_bounded_and_do_not_hold_others_up(service, engine):
    await service.client.sampling.load_model(FLOATS)
    channel = grpc.aio.insecure_channel(service.address)
    requests = [pb.StreamSamplesRequest(model=FLOATS, count=MANY, seed=seed) for seed in range(8)]
    stalled = [SamplingServiceStub(channel).StreamSamples(request) for request in requests]
    firsts = [await anext(aiter(call)) for call in stalled]
    # Until the network's own buffers are full, too.
    await settled(lambda: computed(FLOATS))
    held = metric("sampling_queued_bytes")
    assert held <= 8 * (4 << 20)
    before = computed(FLOATS)
    latencies = []
    for seed in range(30):
        began = time.perf_counter()
        found = await sample(service, FLOATS, 8, seed=seed)
        latencies.append(time.perf_counter() - began)
        assert from_batch(found.batch)["z"].tobytes() == engine.sample(Draw(seed, np.arange(8)))["z"].tobytes()
    assert statistics.median(latencies) < 0.1
    healthy = [chunk.count async for chunk in stream(service, FLOATS, 20_000)]
    assert sum(healthy) == 20_000
    # What was computed meanwhile is what was asked for meanwhile.
    assert computed(FLOATS) - before == 30 * 8 + 20_000
    # They go on where they were.
    for seed, (call, first) in enumerate(zip(stalled, firsts, strict=True)):
        second = await anext(aiter(call))
        index = np.arange(first.count, first.count + second.count)
        assert from_batch(second.batch)["x"].tobytes() == engine.sample(Draw(seed, index))["x"].tobytes()
        call.cancel()
    await channel.close()
    await until(lambda: not active("StreamSamples"))


async def settled(value) -> None:
    """Waits until a value does not change any more."""
    seen, since = value(), time.monotonic()
    while time.monotonic() - since < 0.3:
        await asyncio.sleep(0.02)
        if value() != seen:
            seen, since = value(), time.monotonic()


@pytest.mark.parametrize("delay_ms", [0.0, 20.0])
async def test_concurrent_small_requests_get_their_own_answers(tmp_path, engine, delay_ms):
    right = [engine.sample(Draw(seed, np.arange(56)))["x"] for seed in range(40)]
    async with serving(tmp_path, batch_delay_ms=delay_ms) as service:
        service.publish(floats_graph(width=500), "floats/versions/1")
        await service.client.sampling.load_model(FLOATS)
        before = [metric(f"sampling_batch_requests_{part}") for part in ("sum", "count")]

        async def client(number: int) -> None:
            for turn in range(5):
                start, count = 10 * turn, 1 + (number + turn) % 4
                found = await sample(service, FLOATS, count, seed=number, start_index=start)
                assert from_batch(found.batch)["x"].tobytes() == right[number][start : start + count].tobytes()

        await asyncio.gather(*(client(number) for number in range(40)))
        requests, groups = (metric(f"sampling_batch_requests_{part}") for part in ("sum", "count"))
    assert requests - before[0] == 200
    if delay_ms:
        assert groups - before[1] < 60


async def test_streams_and_requests_at_once_all_get_their_own_bytes(service, engine):
    expected = {seed: engine.sample(Draw(seed, np.arange(6000)))["x"].tobytes() for seed in range(4)}

    async def whole(seed: int) -> None:
        chunks = [chunk async for chunk in stream(service, FLOATS, 6000, seed=seed, chunk_bytes=300_000)]
        assert b"".join(from_batch(chunk.batch)["x"].tobytes() for chunk in chunks) == expected[seed]

    async def parts(seed: int) -> None:
        size = len(expected[seed]) // 6000
        for start in range(0, 6000, 700):
            found = await sample(service, FLOATS, 300, seed=seed, start_index=start)
            assert from_batch(found.batch)["x"].tobytes() == expected[seed][start * size : (start + 300) * size]

    await asyncio.gather(*(each(seed) for seed in range(4) for each in (whole, parts, whole)))


@pytest.mark.parametrize("named", [True, False], ids=["named tenants", "one connection"])
async def test_tenants_take_turns(tmp_path, named):
    async with serving(tmp_path, max_wait_s=1000.0, workers=1) as service:
        service.publish(slow_graph(2), "slow/versions/1")
        await service.client.sampling.load_model(SLOW)
        order = []

        async def ask(tenant: str) -> None:
            await sample(service, SLOW, 60, tenant=tenant if named else "")
            order.append(tenant)

        crowd = [asyncio.create_task(ask("crowd")) for _ in range(12)]
        await until(lambda: active("Sample") == 12)
        await ask("lone")
        await asyncio.gather(*crowd)
    # By name the lone one is served after what is under way; without one it is at the end of its connection's queue.
    assert (order.index("lone") < 6) == named


async def test_overload_is_told_at_once_with_a_time_to_come_back(tmp_path):
    async with serving(tmp_path, max_wait_s=0.2, workers=1) as service:
        service.publish(slow_graph(), "slow/versions/1")
        await service.client.sampling.load_model(SLOW)
        taken, refused, latencies = [], [], []

        async def ask() -> None:
            began = time.perf_counter()
            try:
                taken.append((await sample(service, SLOW, 100)).count)
            except grpc.aio.AioRpcError as error:
                latencies.append(time.perf_counter() - began)
                refused.append(error)

        asking = [asyncio.create_task(ask()) for _ in range(30)]
        await until(lambda: refused)
        with pytest.raises(errors.Overloaded) as told:
            await service.client.sampling.sample(SLOW, 100)
        assert told.value.retry_after_s > 0
        await asyncio.gather(*asking)
        assert taken == [100] * len(taken)
        assert len(taken) >= 2
        assert len(refused) >= 10
        assert statistics.median(latencies) < 0.2
        for error in refused:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            status = status_pb2.Status.FromString(dict(error.trailing_metadata())[DETAILS_KEY])
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            assert status.details[0].Unpack(info)
            assert info.reason == "OVERLOADED"
            assert status.details[1].Unpack(retry)
            assert retry.retry_delay.ToMilliseconds() >= 50
        assert (await sample(service, SLOW, 100)).count == 100


async def test_streams_beyond_the_memory_are_refused_until_one_ends(tmp_path):
    async with serving(tmp_path, answer_memory_mb=5, workers=1) as service:
        publish_all(service)
        await service.client.sampling.load_model(FLOATS)
        first = stream(service, FLOATS, MANY, chunk_bytes=1 << 20)
        await anext(aiter(first))
        error = await refusal(anext(aiter(stream(service, FLOATS, MANY, chunk_bytes=1 << 20))))
        assert isinstance(error, errors.Overloaded)
        # A short one still fits.
        assert (await sample(service, FLOATS, 1)).count == 1
        first.cancel()
        await until(lambda: not active("StreamSamples"))
        second = stream(service, FLOATS, MANY, chunk_bytes=1 << 20)
        assert (await anext(aiter(second))).first_index == 0
        second.cancel()


async def test_drain_ends_streams_with_the_next_index(tmp_path):
    async with serving(tmp_path) as service:
        publish_all(service)
        call = stream(service, FLOATS, MANY, start_index=100)
        received = (await anext(aiter(call))).count
        service.drain.begin()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for chunk in call:
                received += chunk.count
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert from_rpc_error(caught.value).metadata["next_index"] == str(100 + received)
        error = await refusal(sample(service, FLOATS, 1))
        assert isinstance(error, errors.Unavailable)


async def test_stream_that_was_drained_is_taken_up_by_the_client_with_nothing_twice(tmp_path, engine):
    count = 40_000
    catalog = FakeCatalog()
    async with contextlib.AsyncExitStack() as first_life, contextlib.AsyncExitStack() as second_life:
        service = await first_life.enter_async_context(serving(tmp_path, catalog))
        publish_all(service)
        client = await second_life.enter_async_context(AsyncClient(sampling_address=service.address))
        received = []
        async for batch in client.sampling.iter_batches(FLOATS, count, seed=8):
            received.append(batch)
            if len(received) == 3:
                service.drain.begin()
                await first_life.aclose()
                port = int(service.address.rpartition(":")[2])
                # A promotion meanwhile changes nothing: the stream is fixed to its version.
                await second_life.enter_async_context(serving(tmp_path, catalog, port))
                service.publish(floats_graph(width=500, latent=7), "floats/versions/2")
    assert sum(batch.count for batch in received) == count
    joined = b"".join(batch["x"].tobytes() for batch in received)
    assert joined == engine.sample(Draw(8, np.arange(count)))["x"].tobytes()


async def test_swap_under_load_fails_nobody_and_no_stream_changes_its_version(tmp_path):
    async with serving(tmp_path, fresh_s=0.02) as service:
        versions = {service.publish(dense(1), "shapes/versions/1", LABELS).digest: 1}
        await service.client.sampling.load_model(SHAPES)
        seen = []
        swapping = True

        async def streams() -> None:
            while swapping:
                digests = {chunk.model_digest async for chunk in stream(service, SHAPES, 30_000, chunk_bytes=1)}
                assert len(digests) == 1
                seen.append(versions[digests.pop()])

        async def samples() -> None:
            while swapping:
                seen.append(versions[(await sample(service, SHAPES, 3)).model_digest])

        callers = [asyncio.create_task(each()) for each in (streams, streams, samples, samples)]
        for number in range(2, 6):
            model = service.publish(dense(number), f"shapes/versions/{number}", LABELS)
            versions[model.digest] = number
            await until(lambda number=number: number in seen)
        swapping = False
        await asyncio.gather(*callers)
        assert set(seen) == {1, 2, 3, 4, 5}


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
    told = await refusal(sample(service, FLOATS, 10_000))
    assert type(told) is errors.ResourceExhausted
    assert "StreamSamples" in told.message
    # The SDK asks for it in parts.
    assert (await service.client.sampling.sample(FLOATS, 5000)).count == 5000


@pytest.mark.parametrize("chunk_bytes", [-1, (3 << 20) + 1])
async def test_chunks_have_a_largest_size(service, chunk_bytes):
    told = await refusal(anext(aiter(stream(service, FLOATS, 1, chunk_bytes=chunk_bytes))))
    assert told.metadata["field"] == "chunk_bytes"


async def test_damaged_model_is_refused_and_the_others_go_on(service):
    broken = service.publish(dense(7), "broken/versions/1", LABELS)
    broken.digest = "0" * 64
    for method in ("Sample", "StreamSamples"):
        call = sample(service, "models/broken", 1)
        if method == "StreamSamples":
            call.close()
            call = anext(aiter(stream(service, "models/broken", 1)))
        assert isinstance(await refusal(call), errors.DataLoss)
    assert (await sample(service, FLOATS, 1)).count == 1
