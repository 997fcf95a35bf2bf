"""Streams whose arrays go through memory that the caller lends: the same bytes, and nothing but that memory."""

from __future__ import annotations

import asyncio
import fcntl
import secrets

import pytest
from unit.augmentation.conftest import pixels
from unit.augmentation.lent_memory import SIZE, Lent
from unit.augmentation.test_augmenting import POLICY, assert_same, in_process, spec_of

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

IMAGES = pixels(20, 40, 40)
LARGER = {"steps": [{"op": "resize", "height": 80, "width": 80}]}


async def exchange(service, spec, offer, records) -> tuple[bool, list[pb.AugmentationResult]]:
    """Returns whether memory is shared, and the results of a stream."""

    async def messages():
        yield pb.AugmentStreamRequest(spec=spec, shared_memory=offer)
        if records:
            yield pb.AugmentStreamRequest(records=records)

    answers = [answer async for answer in service.stub.AugmentStream(messages())]
    return answers[0].shares_memory, [result for answer in answers for result in answer.results]


async def test_results_are_those_of_arrays_in_messages(service, lent):
    records = [lent.record(image, number) for number, image in enumerate(IMAGES)]
    # Some have their data with them all the same.
    records[3] = pb.AugmentationRecord(arrays=[to_tensor("image", IMAGES[3])])
    shared, results = await exchange(service, spec_of(), lent.offer, records)
    assert shared
    assert [result.in_block for result in results] == [number != 3 for number in range(20)]
    found = [lent.image(result, number) for number, result in enumerate(results)]
    assert_same(found, in_process(IMAGES, range(20)))
    assert not any(tensor.data for result in results if result.in_block for tensor in result.arrays)


async def test_result_that_does_not_fit_its_block_comes_in_the_message(service, lent):
    records = [lent.record(IMAGES[0], 0), lent.record(IMAGES[1], 1, room=1)]
    for policy in (POLICY, LARGER):
        _, results = await exchange(service, spec_of(policy), lent.offer, records)
        assert [result.in_block for result in results] == [policy is POLICY, False]
        found = [lent.image(result, number) for number, result in enumerate(results)]
        assert_same(found, in_process(IMAGES[:2], (0, 1), policy))


async def test_memory_is_used_after_its_owner_has_closed_it(service, lent):
    asked = asyncio.Event()

    async def messages():
        yield pb.AugmentStreamRequest(spec=spec_of(), shared_memory=lent.offer)
        await asked.wait()
        yield pb.AugmentStreamRequest(records=[lent.record(IMAGES[0], 0)])

    results = []
    async for answer in service.stub.AugmentStream(messages()):
        lent.close()
        asked.set()
        results += answer.results
    assert_same([lent.image(results[0], 0)], in_process(IMAGES[:1], [0]))


@pytest.mark.parametrize("case", ["closed", "another file", "another key", "no such process", "not used"])
async def test_memory_that_is_not_to_be_had_is_not_shared(service, lent, case, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(bytes(SIZE))
    with (tmp_path / "file").open("r+b") as file:
        if case == "closed":
            lent.close()
        elif case == "another file":
            lent.offer.descriptor = file.fileno()
        elif case == "another key":
            lent.offer.key = secrets.token_hex(16)
        elif case == "no such process":
            lent.offer.process_id = (1 << 31) - 1
        else:
            monkeypatch.setattr(service.augmenting, "_use_shared_memory", False)
        shared, results = await exchange(service, spec_of(), lent.offer, [lent.record(IMAGES[0], 0)])
    assert not shared
    assert results[0].error.metadata["field"] == "block"
    assert results[0].error.metadata["allowed"] == "none: no memory is shared"


async def test_memory_that_may_shrink_is_refused(service):
    lent = Lent(fcntl.F_SEAL_GROW)
    with pytest.raises(InvalidField, match="F_SEAL_SHRINK"):
        await exchange(service, spec_of(), lent.offer, [])
    lent.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "x"),
        ("key", "../" * 10 + "aa"),
        ("byte_size", 0),
        ("byte_size", -1),
        ("byte_size", 1 << 60),
        ("byte_size", SIZE + 1),
        ("process_id", 0),
        ("process_id", -1),
        ("descriptor", -1),
    ],
)
async def test_malformed_offer_is_refused(service, lent, field, value):
    setattr(lent.offer, field, value)
    with pytest.raises(InvalidField) as refusal:
        await exchange(service, spec_of(), lent.offer, [])
    assert refusal.value.metadata["field"] == f"shared_memory.{field}"


async def test_memory_is_offered_once_and_first(service, lent):
    async def twice():
        yield pb.AugmentStreamRequest(spec=spec_of(), shared_memory=lent.offer)
        yield pb.AugmentStreamRequest(shared_memory=lent.offer)

    with pytest.raises(InvalidField, match="shared_memory: got 'one', allowed: nothing, after the first message"):
        _ = [answer async for answer in service.stub.AugmentStream(twice())]


def damaged(record: pb.AugmentationRecord, case: str) -> None:
    """Makes something of a record wrong."""
    if case == "offset":
        record.block.offset = SIZE
    elif case == "before":
        record.result_block.offset = -1
    elif case == "end":
        record.result_block.byte_size = SIZE
    elif case == "empty":
        record.block.byte_size = 0
    elif case == "small":
        record.block.byte_size -= 1
    elif case == "data":
        record.arrays[0].data = bytes(1600)
    elif case == "shape":
        record.arrays[0].shape[0] = -1
    elif case == "huge":
        record.arrays[0].shape[:] = [1 << 40, 1 << 20]
    elif case == "strings":
        record.arrays[0].data_type = 13


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ("offset", "block.offset"),
        ("before", "result_block.offset"),
        ("end", "result_block.byte_size"),
        ("empty", "block.byte_size"),
        ("small", "block.byte_size"),
        ("data", "arrays"),
        ("shape", "image.shape"),
        ("huge", "image.shape"),
        ("strings", "image.data_type"),
    ],
)
async def test_bad_block_is_told_by_the_index_of_its_record(service, lent, case, field):
    records = [lent.record(image, number) for number, image in enumerate(IMAGES[:3])]
    damaged(records[1], case)
    _, results = await exchange(service, spec_of(), lent.offer, records)
    assert [result.HasField("error") for result in results] == [False, True, False]
    assert (results[1].error.reason, results[1].error.metadata["field"]) == ("INVALID_FIELD", field)
    assert_same([lent.image(results[2], 2)], in_process(IMAGES[2:3], [2]))


async def test_call_has_no_memory(service, lent):
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec_of(), records=[lent.record(IMAGES[0], 0)]))
    assert answer.results[0].error.metadata["field"] == "block"
