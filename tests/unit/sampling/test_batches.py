"""Batch sizes: which are tried, which are trusted, and how a request is cut."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.sampling.batches import (
    BUCKETS,
    CPU_LIMITS,
    GPU_LIMITS,
    BatchPlanner,
    fill_up,
    measure_buckets,
    reference_bucket,
    usable_buckets,
)

# A machine on which each batch has a fixed cost and each sample a small one.
SECONDS = {bucket: 40e-6 + bucket * 1e-6 for bucket in BUCKETS}


@given(st.integers(1, 10_000))
def test_batches_cover_a_request_and_only_the_last_has_room(count):
    batches = BatchPlanner(SECONDS).plan(count)
    assert set(batches) <= set(BUCKETS)
    assert sum(batches[:-1]) < count <= sum(batches)


@given(st.integers(1, 255))
def test_a_small_request_is_cut_the_cheapest_way(count):
    planner = BatchPlanner(SECONDS)
    cost = sum(SECONDS[bucket] for bucket in planner.plan(count))
    assert cost <= SECONDS[min(bucket for bucket in BUCKETS if bucket >= count)]
    largest = max(bucket for bucket in BUCKETS if bucket <= count)
    assert cost <= sum(SECONDS[each] for each in [largest] * (count // largest) + [1] * (count % largest)) + 1e-12


def test_a_fast_model_is_run_in_large_batches():
    planner = BatchPlanner(SECONDS)
    assert planner.bulk == 1024
    assert planner.urgent == 1024
    assert planner.inline == 256
    assert planner.seconds_per_sample == pytest.approx(SECONDS[1024] / 1024)


def test_a_slow_model_is_run_in_the_smallest_batches_that_cost_no_more():
    planner = BatchPlanner({1: 0.0007, 4: 0.0021, 16: 0.0077, 64: 0.031, 256: 0.13})
    assert planner.bulk == 16
    assert planner.urgent == 16
    assert planner.inline == 0
    assert planner.plan(18) == [16, 1, 1]


def test_requests_are_computed_in_the_event_loop_only_if_each_takes_next_to_nothing():
    assert BatchPlanner({1: 0.0008, 4: 0.003}).inline == 0
    assert BatchPlanner({1: 0.00005, 4: 0.0002, 16: 0.0008, 64: 0.003}).inline == 16


def test_no_batch_is_so_long_that_others_wait():
    assert BatchPlanner({1: 0.02, 16: 0.2, 64: 0.7}).bulk == 1
    assert BatchPlanner({16: 2.0, 64: 3.0}).bulk == 16


def test_cost_follows_what_batches_take_of_late():
    planner = BatchPlanner(SECONDS)
    quiet = planner.seconds_per_sample
    for _ in range(200):
        planner.note(64, 3 * SECONDS[64])
    assert planner.seconds_per_sample == pytest.approx(3 * quiet, rel=0.05)
    planner.note(64, 1000.0)
    assert planner.seconds_per_sample < 4 * quiet
    for _ in range(200):
        planner.note(1, SECONDS[1])
    assert planner.seconds_per_sample == pytest.approx(quiet, rel=0.05)


def test_large_samples_come_in_small_batches():
    assert usable_buckets(CPU_LIMITS, 64) == BUCKETS
    assert usable_buckets(CPU_LIMITS, 64 * 64 * 3) == (1, 4, 16, 64)
    assert usable_buckets(CPU_LIMITS, 10_000_000) == (1,)


def test_batches_that_the_operators_make_unsafe_are_not_tried():
    assert usable_buckets(CPU_LIMITS, 64, smallest=16) == (16, 64, 256, 1024)
    assert usable_buckets(CPU_LIMITS, 10_000_000, smallest=16) == (1,)


def test_filling_up_repeats_the_last_value():
    assert fill_up(np.array([3, 4]), 5).tolist() == [3, 4, 4, 4, 4]


def test_reference_is_small_where_kernels_are_exact_and_the_largest_where_not():
    assert reference_bucket(BUCKETS, exact_kernels=True) == 64
    assert reference_bucket((1, 4), exact_kernels=True) == 4
    assert reference_bucket(BUCKETS, exact_kernels=False) == 1024


def graph(bad: dict[int, str], slow_s: float = 0.0):
    """Computes the index itself, but wrongly in batches of some sizes: everywhere, or depending on the place."""

    def run(index: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(slow_s * len(index))
        values = index.astype(np.float32)
        if bad.get(len(index)) == "everywhere":
            values = np.nextafter(values, np.float32(np.inf))
        elif bad.get(len(index)) == "by place":
            values[-1] = np.nextafter(values[-1], np.float32(np.inf))
        return {"x": values}

    return run


def agreeing(bad: dict[int, str], reference: int = 64) -> tuple[int, ...]:
    return tuple(measure_buckets(graph(bad), BUCKETS, reference, "m"))


@pytest.mark.parametrize("reference", [16, 64, 1024])
def test_batch_sizes_that_agree_are_kept(reference):
    assert agreeing({}, reference) == BUCKETS


def test_batch_size_that_disagrees_is_dropped():
    assert agreeing({16: "everywhere"}) == (1, 4, 64, 256, 1024)
    assert agreeing({1024: "everywhere"}) == (1, 4, 16, 64, 256)
    assert agreeing({4: "by place"}) == (1, 16, 64, 256, 1024)
    assert agreeing({64: "everywhere"}, reference=1024) == (1, 4, 16, 256, 1024)


def test_reference_that_disagrees_with_itself_gives_way():
    assert agreeing({1024: "by place"}, reference=1024) == (1, 4, 16, 64, 256)


def test_small_batches_are_compared_by_as_many_as_the_provider_needs():
    def run(index: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": index + (index == 200) * (len(index) == 4)}

    assert 4 in measure_buckets(run, BUCKETS, 1024, "m", probe_batches=16)
    assert 4 not in measure_buckets(run, BUCKETS, 1024, "m", probe_batches=GPU_LIMITS.probe_batches)


def test_a_gpu_gets_larger_batches_that_still_fit_a_message():
    pixels = 28 * 28
    assert usable_buckets(GPU_LIMITS, pixels)[-1] == 4096
    for sample_bytes in (8, 128, pixels, 64 * 64 * 3):
        largest = usable_buckets(GPU_LIMITS, sample_bytes)[-1]
        assert largest >= 256
        assert largest * (sample_bytes + 8) < 4 << 20


def test_one_batch_size_is_always_left():
    assert agreeing(dict.fromkeys(BUCKETS, "by place")) == (1,)


def test_times_are_measured_and_hopelessly_slow_batches_are_not_tried():
    seconds = measure_buckets(graph({}, slow_s=0.00015), BUCKETS, 64, "m")
    assert tuple(seconds) == (1, 4, 16, 64, 256)
    assert seconds[16] >= 0.0024
