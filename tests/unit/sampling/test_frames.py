"""Chunks on the wire: what protobuf itself makes of the same samples, and reads back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import from_batch, to_batch
from synthmill.sampling.frames import encode_chunk
from synthmill.v1.sampling_service_pb2 import SampleChunk

DIGEST = "ab" * 32
NUMBERS = ["?", *(f"{order}{code}" for order in "<>" for code in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"))]
NUMBERS += [f"{order}f{size}" for order in "<>" for size in (2, 4, 8)]
# Lengths at which a varint gains a byte, too.
INDICES = st.one_of(st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**48 - 1]), st.integers(0, 2**48 - 1))
NAMES = st.text(min_size=1, max_size=5).filter(lambda name: name.isprintable())


@st.composite
def columns_in_pieces(draw):
    """Makes columns of one length, and where each is cut."""
    count = draw(st.integers(1, 40))
    columns, pieces = {}, {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        shape = (count, *draw(st.lists(st.integers(1, 4), max_size=3)))
        if draw(st.booleans()):
            column = draw(arrays.arrays(np.dtype(draw(st.sampled_from(NUMBERS))), shape))
        else:
            texts = draw(st.lists(st.text(max_size=6), min_size=1, max_size=9))
            column = np.resize(np.array(texts, dtype=object), shape)
        cuts = sorted(draw(st.sets(st.integers(1, count), max_size=3)) | {count})
        columns[name] = column
        pieces[name] = [column[first:last] for first, last in zip([0, *cuts], cuts, strict=False)]
    return count, columns, pieces


def message(first_index, count, columns, digest, model) -> SampleChunk:
    return SampleChunk(first_index=first_index, count=count, batch=to_batch(columns), model_digest=digest, model=model)


@given(columns_in_pieces(), INDICES, st.sampled_from(["", "models/m/versions/1", "models/ü/versions/300"]))
def test_chunk_is_what_protobuf_makes_of_the_same_samples(made, first_index, model):
    count, columns, pieces = made
    encoded = encode_chunk(first_index, count, pieces, DIGEST, model)
    expected = message(first_index, count, columns, DIGEST, model)
    assert SampleChunk.FromString(encoded) == expected
    # No field twice and none that says nothing: protobuf's own encoding is as long.
    assert len(encoded) == expected.ByteSize()


@given(columns_in_pieces())
def test_columns_come_back_to_the_bit(made):
    count, columns, pieces = made
    found = from_batch(SampleChunk.FromString(encode_chunk(0, count, pieces, DIGEST, "")).batch)
    assert list(found) == list(columns)
    for name, column in columns.items():
        assert found[name].shape == column.shape
        if column.dtype == object:
            assert found[name].tolist() == column.tolist()
        else:
            assert found[name].tobytes() == column.astype(column.dtype.newbyteorder("<")).tobytes()


def test_large_chunk_and_memory_that_is_not_contiguous():
    pixels = np.arange(3 << 20, dtype=np.uint32).reshape(-1, 64, 64).astype(np.uint8)
    mirrored = pixels[:, :, ::-1]
    columns = {"image": mirrored, "label": np.arange(len(pixels))[::-1]}
    encoded = encode_chunk(2**40, len(pixels), {name: [column] for name, column in columns.items()}, DIGEST, "m")
    assert SampleChunk.FromString(encoded) == message(2**40, len(pixels), columns, DIGEST, "m")


def test_chunk_does_not_change_with_the_memory_it_was_made_of():
    column = np.zeros((4, 3), np.float32)
    encoded = encode_chunk(0, 4, {"x": [column]}, DIGEST, "")
    column += 1
    assert not from_batch(SampleChunk.FromString(encoded).batch)["x"].any()


def test_type_that_cannot_travel_is_refused():
    with pytest.raises(InvalidField, match="complex64"):
        encode_chunk(0, 1, {"x": [np.zeros(1, np.complex64)]}, DIGEST, "")
