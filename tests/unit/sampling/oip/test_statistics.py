"""The statistics count what happened."""

from __future__ import annotations

import time

import pytest
from unit.sampling.oip.calls import infer_request

from synthmill.runtime.errors import InvalidField


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
    assert counts.execution_count == 3 + len(responses)
    assert began * 1000 - 1 <= counts.last_inference <= time.time() * 1000
    stats = counts.inference_stats
    assert (stats.success.count, stats.fail.count) == (5, 0)
    assert [each.count for each in (stats.compute_input, stats.compute_infer, stats.compute_output)] == [5, 5, 5]
    parts_ns = stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns
    assert 0 < stats.compute_input.ns < stats.success.ns
    assert 0 < stats.compute_output.ns < stats.success.ns
    assert 0.2 * stats.success.ns < parts_ns
    assert stats.success.ns < 2 * elapsed_ns


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


async def test_version_without_name_is_refused(calls):
    with pytest.raises(InvalidField):
        await calls.unary("ModelStatistics", version="1")
