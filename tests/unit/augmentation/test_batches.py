"""Batches of records: how they are divided, and what bounds their results."""

from __future__ import annotations

import numpy as np
from unit.augmentation.conftest import pixels, record

from synthmill.augmentation.batches import DECODED_BYTES, MAX_BATCH_RECORDS, Indexed, Numbering, in_batches, work
from synthmill.augmentation.opening import Task
from synthmill.augmentation.received import to_record
from synthmill.augmentation.results import POSTPONED, Frugal
from synthmill.kinds.registry import get_kind
from synthmill.v1 import augmentation_service_pb2 as pb

LIMIT = 64 << 20


def task_of(policy, limit_bytes: int = DECODED_BYTES) -> Task:
    kind = get_kind("image")
    side = kind.augmentation()
    augmenter = side.open(side.policy(policy), executor=Frugal(side, limit_bytes))
    return Task(kind, side, augmenter, 3, "")


def numbered(records: list[pb.AugmentationRecord]) -> list[Indexed]:
    return Numbering().number(map(to_record, records))


def results_of(frames) -> list[pb.AugmentationResult]:
    """Reads frames, as a client does."""
    found = []
    for frame in frames:
        message = pb.AugmentResponse.FromString(frame.data)
        assert len(message.results) == frame.count
        found += message.results
    return found


def test_records_are_divided_by_number_and_by_size():
    small = numbered([record(pixels(4, 4))] * 300)
    assert [len(batch) for batch in in_batches(small)] == [MAX_BATCH_RECORDS, 44]
    large = numbered([record(pixels(2000, 1000))] * 5)
    assert [len(batch) for batch in in_batches(large)] == [2, 2, 1]
    # Each of several workers gets a part.
    assert [len(batch) for batch in in_batches(large, workers=4)] == [1] * 5
    # A message that its last record brings over the limit is one batch.
    message = numbered([record(pixels(224, 672))] * 28)
    assert [len(batch) for batch in in_batches(message)] == [28]
    huge = numbered([record(pixels(3000, 3000))])
    assert [len(batch) for batch in in_batches(huge)] == [1]
    assert list(in_batches([])) == []


def test_rest_of_a_batch_is_left_once_its_results_are_large():
    poster = task_of({"steps": [{"op": "resize", "height": 100, "width": 100}]}, limit_bytes=25_000)
    batch = numbered([record(pixels(4, 4))] * 10)
    results, left = [], batch
    while left:
        part = results_of(work(poster, left, LIMIT))
        assert 1 <= len(part) <= 3
        results += part
        left = left[len(part) :]
    whole = results_of(work(task_of({"steps": [{"op": "resize", "height": 100, "width": 100}]}), batch, LIMIT))
    assert results == whole


def test_records_that_are_large_once_decoded_are_left_too():
    images = pixels(2000, 2000)
    batch = numbered([record(images)] * 10)
    assert len(results_of(work(task_of({"steps": []}), batch, LIMIT))) == 5


def test_frugal_executor_makes_one_result_at_least():
    side = get_kind("image").augmentation()
    example = side.to_example({"image": pixels(10, 10)})
    made = list(Frugal(side, 1).map(lambda _: example, range(3)))
    assert made == [example, POSTPONED, POSTPONED]


def test_results_are_not_written_into_the_message():
    given = record(pixels(30, 30), boxes=np.array([[1, 2, 9, 9]], np.float32))
    before = given.SerializeToString()
    side = get_kind("image").augmentation()
    for name, operation in side.operations.items():
        if not operation.partners:
            frames = work(task_of({"steps": [{"op": name}, {"op": name}]}), [Indexed(0, to_record(given))], LIMIT)
            [result] = results_of(frames)
            assert not result.HasField("error"), (name, result.error)
    assert given.SerializeToString() == before


def test_index_is_told_even_if_it_is_wrong():
    [result] = results_of(work(task_of({"steps": []}), [Indexed(1 << 48, to_record(record(pixels(3, 3))))], LIMIT))
    assert (result.index, result.error.metadata["field"]) == (1 << 48, "index")
