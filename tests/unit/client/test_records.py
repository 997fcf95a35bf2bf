"""Records are the bytes that protobuf itself makes."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.client.records import (
    encode_record,
    encode_record_in_block,
    encode_request,
    join_records,
    number_record,
    to_message,
)
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

ARRAYS = {
    "image": np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "boxes": np.empty((0, 4), np.float32),
    "scalar": np.array(3),
}


@pytest.mark.parametrize("index", [0, 1, 2**48 - 1])
def test_requests_are_what_protobuf_makes(index):
    wanted = pb.AugmentationRecord(index=index, arrays=[to_tensor(name, array) for name, array in ARRAYS.items()])
    record = encode_record(number_record(ARRAYS, index))
    assert to_message(record) == wanted
    spec = pb.AugmentationSpec(seed=3, ready_made="light")
    message = pb.AugmentRequest(spec=spec, records=[wanted] * 2)
    assert encode_request(spec, [record, record]) == message.SerializeToString()
    assert join_records([record, record]) == pb.AugmentStreamRequest(records=[wanted] * 2).SerializeToString()


def test_files_and_lists_are_arrays():
    message = to_message(encode_record(number_record({"encoded": b"png", "boxes": [[1, 2, 3, 4]]}, 0)))
    assert message.arrays[0] == to_tensor("encoded", np.frombuffer(b"png", np.uint8))
    assert list(message.arrays[1].shape) == [1, 4]


@pytest.mark.parametrize("index", [-1, 2**48])
def test_index_out_of_range_is_refused(index):
    with pytest.raises(InvalidField, match="index"):
        number_record(ARRAYS, index)


def test_record_in_a_block_is_what_protobuf_makes():
    block, result_block = pb.Block(offset=0, byte_size=9), pb.Block(offset=64, byte_size=1 << 40)
    described = [to_tensor(name, array) for name, array in ARRAYS.items()]
    for tensor in described:
        tensor.ClearField("data")
    wanted = pb.AugmentationRecord(index=0, arrays=described, block=block, result_block=result_block)
    record = encode_record_in_block(number_record(ARRAYS, 0), block, result_block)
    assert to_message(record) == wanted
    assert (record.block, record.result_block) == (block, result_block)
