"""Records read without protobuf: the same as with it, down to the errors."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from support.damage import CHANGES, NUMBERS, TENSORS, damaged, told_of
from synthmill.augmentation import received
from synthmill.augmentation.received import read_received, to_record, view_received
from synthmill.runtime.tensors import from_tensor, to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

BLOCKS = st.one_of(st.none(), st.builds(pb.Block, offset=NUMBERS, byte_size=NUMBERS))
RECORDS = st.builds(
    pb.AugmentationRecord,
    index=st.one_of(st.none(), NUMBERS),
    arrays=st.lists(TENSORS, max_size=3),
    block=BLOCKS,
    result_block=BLOCKS,
)
SPECS = st.builds(pb.AugmentationSpec, kind=st.text(max_size=4), seed=st.integers(0, 2**64 - 1))
OFFERS = st.one_of(st.none(), st.builds(pb.SharedMemory, key=st.text(max_size=4), byte_size=NUMBERS))
REQUESTS = st.builds(
    pb.AugmentStreamRequest,
    spec=st.one_of(st.none(), SPECS),
    records=st.lists(RECORDS, max_size=3),
    shared_memory=OFFERS,
)
IMAGE = np.arange(200 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(200, 200, 3)
LARGE = pb.AugmentRequest(
    spec=pb.AugmentationSpec(ready_made="light"),
    records=[pb.AugmentationRecord(arrays=[to_tensor("image", IMAGE)]) for _ in range(40)],
).SerializeToString()


@pytest.fixture(autouse=True)
def small_records_are_viewed_too(monkeypatch):
    monkeypatch.setattr(received, "_LEAST_RECORD_BYTES", 0)


def told(records, *messages: pb.AugmentationSpec | pb.SharedMemory | None) -> tuple:
    """Returns all that a request says; a damaged spec may hold what equals nothing, so its bytes are compared."""
    rows = [(each.index, told_of(each.arrays), *_bytes_of(each.block, each.result_block)) for each in records]
    return rows, *_bytes_of(*messages)


def _bytes_of(*messages) -> list[bytes | None]:
    return [None if message is None else message.SerializeToString(deterministic=True) for message in messages]


def by_protobuf(message: bytes) -> tuple | None:
    """Returns what protobuf reads; None if it refuses the message."""
    try:
        request = pb.AugmentStreamRequest.FromString(message)
    except DecodeError:
        return None
    given = [getattr(request, name) if request.HasField(name) else None for name in ("spec", "shared_memory")]
    return told(map(to_record, request.records), *given)


def assert_agrees(message: bytes) -> None:
    """Whatever is viewed is what protobuf reads; what protobuf refuses is not viewed."""
    view = view_received(message)
    assert view is None or told(view.records, view.spec, view.shared_memory) == by_protobuf(message)


@given(REQUESTS)
def test_message_is_read_as_protobuf_reads_it(request):
    message = request.SerializeToString()
    assert_agrees(message)
    found = read_received(message)
    assert told(found.records, found.spec, found.shared_memory) == by_protobuf(message)
    assert found.size == len(message)


@settings(max_examples=1000)
@given(REQUESTS, CHANGES)
def test_damaged_message_is_read_as_protobuf_reads_it_or_not_at_all(request, changes):
    assert_agrees(damaged(request.SerializeToString(), changes))


@given(REQUESTS, REQUESTS)
def test_joined_messages_are_read_as_protobuf_reads_them_or_not_at_all(first, second):
    assert_agrees(first.SerializeToString() + second.SerializeToString())


@given(st.binary(max_size=60))
def test_bytes_at_random_are_read_as_protobuf_reads_them_or_not_at_all(message):
    assert_agrees(message)


def test_arrays_of_large_records_are_views_of_the_message():
    found = read_received(LARGE)
    whole = np.frombuffer(LARGE, np.uint8)
    assert found.spec == pb.AugmentationSpec(ready_made="light")
    for each in found.records:
        [image] = map(from_tensor, each.arrays)
        assert each.index is None
        assert np.shares_memory(image, whole)
        assert not image.flags.writeable
        assert (image == IMAGE).all()
    assert [each.size for each in found.records] == [
        each.ByteSize() for each in pb.AugmentRequest.FromString(LARGE).records
    ]


def test_small_records_are_left_to_protobuf(monkeypatch):
    monkeypatch.undo()
    small = pb.AugmentRequest(records=[pb.AugmentationRecord(index=3, arrays=[to_tensor("image", IMAGE[:9, :9])])])
    assert view_received(small.SerializeToString()) is None
    [record] = read_received(small.SerializeToString()).records
    assert record.index == 3
    assert (from_tensor(record.arrays[0]) == IMAGE[:9, :9]).all()


@pytest.mark.parametrize("size", [1, 100, len(LARGE) // 2, len(LARGE) - 1])
def test_truncated_message_is_refused_as_protobuf_refuses_it(size):
    with pytest.raises(DecodeError):
        read_received(LARGE[:size])
