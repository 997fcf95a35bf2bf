"""What a load reads and writes of messages without unpacking them."""

from __future__ import annotations

import pytest

from synthmill.bench.sampling.wire import echo_answer_bytes, echo_request, sample_count
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Batch, Tensor


@pytest.mark.parametrize("count", [0, 1, 127, 128, 1 << 40])
def test_count_is_read_between_other_fields(count):
    batch = Batch(columns=[Tensor(name="x", shape=[3], data=bytes(range(256)))])
    chunk = pb.SampleChunk(first_index=1 << 47, count=count, batch=batch, model_digest="d" * 64, model="models/m")
    assert sample_count(chunk.SerializeToString()) == count


def test_count_is_found_wherever_it_stands_and_the_last_one_counts():
    unknown = (
        bytes([99 << 3 & 0x7F | 0x80 | 1, 99 >> 4]) + bytes(8) + bytes([98 << 3 & 0x7F | 0x80 | 5, 98 >> 4]) + bytes(4)
    )
    first, second = (pb.SampleChunk(count=count, model="m").SerializeToString() for count in (3, 300))
    message = first + unknown + second
    assert pb.SampleChunk.FromString(message).count == 300
    assert sample_count(message) == 300


def test_echo_request_is_as_long_as_what_it_stands_for():
    request = echo_request(12_345, 70)
    assert len(request) == 70
    assert echo_answer_bytes(request) == 12_345
