"""Records are the bytes that protobuf itself makes."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.client.records import encode_record, encode_request, to_message
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
    record = encode_record(ARRAYS, index)
    assert to_message(record) == wanted
    spec = pb.AugmentationSpec(seed=3, ready_made="light")
    for message in (pb.AugmentRequest, pb.AugmentStreamRequest):
        assert encode_request(spec, [record, record]) == message(spec=spec, records=[wanted] * 2).SerializeToString()
        assert encode_request(None, [record]) == message(records=[wanted]).SerializeToString()


def test_files_and_lists_are_arrays():
    message = to_message(encode_record({"encoded": b"png", "boxes": [[1, 2, 3, 4]]}, 0))
    assert message.arrays[0] == to_tensor("encoded", np.frombuffer(b"png", np.uint8))
    assert list(message.arrays[1].shape) == [1, 4]


@pytest.mark.parametrize("index", [-1, 2**48])
def test_index_out_of_range_is_refused(index):
    with pytest.raises(InvalidField, match="index"):
        encode_record(ARRAYS, index)
