"""Batch sizes: how a request is cut, and which sizes are trusted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthmill.sampling.batches import agreeing_buckets, fill_up, plan_batches, usable_buckets, whole_batches

BUCKETS = (16, 64, 256, 1024)


@given(st.integers(1, 10_000))
def test_batches_cover_a_request_and_only_the_last_has_room(count):
    batches = plan_batches(count, BUCKETS)
    assert set(batches) <= set(BUCKETS)
    assert sum(batches[:-1]) < count <= sum(batches)


@given(st.integers(0, 5000))
def test_chunks_are_whole_batches(count):
    size = whole_batches(count, BUCKETS)
    assert size <= max(count, 16)
    assert sum(plan_batches(size, BUCKETS)) == size
    assert len(set(plan_batches(size, BUCKETS))) == 1


def test_large_samples_come_in_small_batches():
    assert usable_buckets(64) == BUCKETS
    assert usable_buckets(64 * 64 * 3) == (16, 64)
    assert usable_buckets(10_000_000) == (1,)


def test_filling_up_repeats_the_last_value():
    assert fill_up(np.array([3, 4]), 5).tolist() == [3, 4, 4, 4, 4]


def graph(bad: dict[int, str]):
    """Computes the index itself, but wrongly in batches of some sizes: everywhere, or depending on the place."""

    def run(index: np.ndarray) -> dict[str, np.ndarray]:
        values = index.astype(np.float32)
        if bad.get(len(index)) == "everywhere":
            values = np.nextafter(values, np.float32(np.inf))
        elif bad.get(len(index)) == "by place":
            values[-1] = np.nextafter(values[-1], np.float32(np.inf))
        return {"x": values}

    return run


def test_batch_sizes_that_agree_are_kept():
    assert agreeing_buckets(graph({}), BUCKETS, "m") == BUCKETS


def test_batch_size_that_disagrees_is_dropped():
    assert agreeing_buckets(graph({64: "everywhere"}), BUCKETS, "m") == (16, 256, 1024)
    assert agreeing_buckets(graph({16: "by place"}), BUCKETS, "m") == (64, 256, 1024)


def test_largest_batch_size_that_disagrees_with_itself_is_dropped():
    assert agreeing_buckets(graph({1024: "by place"}), BUCKETS, "m") == (16, 64, 256)


def test_one_batch_size_is_always_left():
    everything = dict.fromkeys(BUCKETS, "by place")
    assert agreeing_buckets(graph(everything), BUCKETS, "m") == (16,)
