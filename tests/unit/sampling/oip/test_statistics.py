"""The statistics count what happened."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from unit.sampling.oip.calls import infer_request
from unit.sampling.oip.conftest import running

from synthmill.runtime.errors import InvalidField

DELAY_S = 0.2
WORKERS = os.cpu_count() or 1


async def statistics(service, name: str = "shapes", version: str = ""):
    answer = await service.calls.unary("ModelStatistics", name=name, version=version)
    return {(each.name, each.version): each for each in answer.model_stats}


async def test_nothing_asked_means_zeros(fresh):
    found = await statistics(fresh)
    assert list(found) == [("shapes", "2")]
    assert found["shapes", "2"].inference_stats.success.count == 0
    assert found["shapes", "2"].last_inference == 0
    assert not await statistics(fresh, name="")


async def test_requests_samples_and_times(fresh):
    began = time.time()
    for count in (1, 10, 100):
        await fresh.calls.send("ModelInfer", infer_request(count=count))
    responses = await fresh.calls.stream([infer_request(count=200_000), infer_request(count=9)])
    elapsed_ns = (time.time() - began) * 1e9
    counts = (await statistics(fresh))["shapes", "2"]
    assert counts.inference_count == 200_120
    assert len(responses) - 1 <= counts.execution_count - 4 <= 200_000
    assert began * 1000 - 1 <= counts.last_inference <= time.time() * 1000
    stats = counts.inference_stats
    assert (stats.success.count, stats.fail.count) == (5, 0)
    parts = (stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output)
    assert [each.count for each in parts] == [5] * 4
    assert all(0 < each.ns < stats.success.ns for each in parts[:2])
    assert all(0 < each.ns < WORKERS * stats.success.ns for each in parts[2:])
    assert stats.success.ns < 2 * elapsed_ns


async def test_batches_are_counted_by_size(fresh):
    for count in (1, 30, 200):
        await fresh.calls.send("ModelInfer", infer_request(count=count))
    counts = (await statistics(fresh))["shapes", "2"]
    sizes = [each.batch_size for each in counts.batch_stats]
    assert sizes == sorted(set(sizes))
    assert sum(each.compute_infer.count for each in counts.batch_stats) == counts.execution_count
    room = sum(each.batch_size * each.compute_infer.count for each in counts.batch_stats)
    assert counts.inference_count == 231 <= room
    batches_ns = sum(each.compute_infer.ns for each in counts.batch_stats)
    assert batches_ns == counts.inference_stats.compute_infer.ns > 0


async def test_waiting_for_others_is_time_in_the_queue(tmp_path):
    async with running(tmp_path, batch_delay_ms=DELAY_S * 1000) as service:
        await service.calls.send("ModelInfer", infer_request())
        stats = (await statistics(service))["shapes", "2"].inference_stats
    assert DELAY_S * 1e9 <= stats.queue.ns < stats.success.ns
    assert stats.queue.ns + stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns < stats.success.ns


async def test_shared_batch_is_counted_once_and_its_time_for_each_request(tmp_path):
    async with running(tmp_path, batch_delay_ms=DELAY_S * 1000) as service:
        await service.calls.send("ModelInfer", infer_request())
        before = (await statistics(service))["shapes", "2"]
        await asyncio.gather(*(service.calls.send("ModelInfer", infer_request(seed=seed)) for seed in range(3)))
        after = (await statistics(service))["shapes", "2"]
    assert after.inference_count - before.inference_count == 3
    assert after.execution_count - before.execution_count == 1
    computed_ns, batches_ns = (
        (after.inference_stats.compute_infer.ns - before.inference_stats.compute_infer.ns),
        sum(each.compute_infer.ns for each in after.batch_stats)
        - sum(each.compute_infer.ns for each in before.batch_stats),
    )
    assert computed_ns == 3 * batches_ns


async def test_failures_are_counted_apart_and_by_version(fresh):
    with pytest.raises(InvalidField):
        await fresh.calls.send("ModelInfer", infer_request(count=0))
    with pytest.raises(InvalidField):
        await fresh.calls.send("ModelInfer", infer_request(version="1", truncation=-1.0))
    await fresh.calls.stream([infer_request(label_plan='{"label": "hexagon"}')])
    await fresh.calls.send("ModelInfer", infer_request())
    found = await statistics(fresh)
    outcome = {
        key: (each.inference_stats.success.count, each.inference_stats.fail.count) for key, each in found.items()
    }
    assert outcome == {("shapes", "1"): (0, 1), ("shapes", "2"): (1, 2)}
    assert list(await statistics(fresh, version="1")) == [("shapes", "1")]
    assert set(await statistics(fresh, name="")) == set(found)


async def test_requests_that_share_nothing_have_batches_of_their_own(tmp_path):
    async with running(tmp_path, batch_delay_ms=DELAY_S * 1000, batch_requests=False) as service:
        await asyncio.gather(*(service.calls.send("ModelInfer", infer_request(seed=seed)) for seed in range(3)))
        assert (await statistics(service))["shapes", "2"].execution_count == 3


async def test_version_without_name_is_refused(calls):
    with pytest.raises(InvalidField):
        await calls.unary("ModelStatistics", version="1")
