"""Chunks read without protobuf: the same as with it, down to the errors."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.damage import CHANGES, NUMBERS, TENSORS, damaged, told_of
from synthmill.client.batches import Batch
from synthmill.client.chunks import ChunkView, read_chunk, view_chunk
from synthmill.runtime.tensors import to_batch
from synthmill.v1.sampling_service_pb2 import SampleChunk
from synthmill.v1.tensor_pb2 import Batch as BatchMessage

CHUNKS = st.builds(
    SampleChunk,
    first_index=NUMBERS,
    count=NUMBERS,
    batch=st.one_of(st.none(), st.builds(BatchMessage, columns=st.lists(TENSORS, max_size=3))),
    model_digest=st.text(max_size=70),
    model=st.text(max_size=20),
)
# As large as what the service streams, with a column that is a view, one that is copied, and strings.
ROWS = 100
COLUMNS = {
    "image": np.arange(ROWS * 64 * 64, dtype=np.uint32).astype(np.uint8).reshape(ROWS, 64, 64),
    "label": np.arange(ROWS),
    "word": np.array([f"ü{number}" for number in range(ROWS)], object),
}
LARGE = SampleChunk(
    first_index=7, count=ROWS, batch=to_batch(COLUMNS), model_digest="ab" * 32, model="models/m/versions/1"
).SerializeToString()


def told(chunk) -> tuple:
    """Returns all that a chunk says."""
    return chunk.first_index, chunk.count, told_of(chunk.batch.columns), chunk.model_digest, chunk.model


def by_protobuf(message: bytes) -> SampleChunk | None:
    """Returns what protobuf reads; None if it refuses the message."""
    try:
        return SampleChunk.FromString(message)
    except DecodeError:
        return None


def assert_agrees(message: bytes) -> None:
    """Whatever is read is what protobuf reads; what protobuf refuses is not read."""
    view, expected = view_chunk(message), by_protobuf(message)
    assert view is None or (expected is not None and told(view) == told(expected))


@given(CHUNKS)
def test_message_is_read_as_protobuf_reads_it(chunk):
    assert_agrees(chunk.SerializeToString())


@given(CHUNKS.filter(lambda chunk: chunk.HasField("batch")))
def test_messages_that_a_service_may_write_are_read_without_protobuf(chunk):
    negative = chunk.first_index < 0 or chunk.count < 0
    negative |= any(each.data_type < 0 or min(each.shape, default=0) < 0 for each in chunk.batch.columns)
    view = view_chunk(chunk.SerializeToString())
    assert (view is None) == negative
    if view is not None:
        assert told(view) == told(chunk)


@settings(max_examples=1000)
@given(CHUNKS, CHANGES)
@example(SampleChunk(count=1), [(0, 0x8A)])
def test_damaged_message_is_read_as_protobuf_reads_it_or_not_at_all(chunk, changes):
    assert_agrees(damaged(chunk.SerializeToString(), changes))


@given(CHUNKS, CHUNKS)
def test_fields_that_come_twice_are_left_to_protobuf(first, second):
    assert_agrees(first.SerializeToString() + second.SerializeToString())


@given(st.binary(max_size=60))
def test_bytes_at_random_are_read_as_protobuf_reads_them_or_not_at_all(message):
    assert_agrees(message)


@pytest.mark.parametrize("size", [1, 100, len(LARGE) // 2, len(LARGE) - 60, len(LARGE) - 1])
def test_truncated_message_is_refused_as_protobuf_refuses_it(size):
    with pytest.raises(DecodeError) as expected:
        SampleChunk.FromString(LARGE[:size])
    with pytest.raises(DecodeError) as found:
        read_chunk(LARGE[:size])
    assert str(found.value) == str(expected.value)


def test_truncated_message_of_any_length_is_refused():
    whole = SampleChunk(batch=to_batch({"x": np.arange(3)}), model_digest="ab" * 8).SerializeToString()
    for size in range(len(whole)):
        assert_agrees(whole[:size])


def test_columns_of_a_large_message_are_read_only_views_of_it_unless_they_are_small():
    chunk = read_chunk(LARGE)
    assert isinstance(chunk, ChunkView)
    batch = Batch.from_chunk(chunk, chunk.model)
    whole = np.frombuffer(LARGE, np.uint8)
    assert np.shares_memory(batch["image"], whole)
    assert not np.shares_memory(batch["label"], whole)
    for name, column in COLUMNS.items():
        assert batch[name].dtype == column.dtype
        assert batch[name].tolist() == column.tolist()
        if name != "word":
            assert not batch[name].flags.writeable
            assert batch[name].flags.aligned


@pytest.mark.parametrize("padding", range(8))
def test_numbers_are_aligned_wherever_they_lie_in_the_message(padding):
    values = np.arange(40_000, dtype=np.float64)
    message = SampleChunk(batch=to_batch({"x" * (padding + 1): values})).SerializeToString()
    chunk = read_chunk(message)
    assert isinstance(chunk, ChunkView)
    (column,) = Batch.from_chunk(chunk, "").columns.values()
    assert column.flags.aligned
    assert not column.flags.writeable
    assert column.tolist() == values.tolist()
