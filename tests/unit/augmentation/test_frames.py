"""Messages of results are the bytes that protobuf itself makes."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.augmentation.frames import (
    encode_failure,
    encode_head,
    encode_result,
    encode_result_in_block,
    in_frames,
)
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

LIMIT = 1 << 20
ARRAYS = {
    "image": np.random.default_rng(0).integers(0, 65_536, (3, 4, 3), np.uint16),
    "label": np.array([0.25, 0.75], np.float32),
    "boxes": np.empty((0, 4), np.float32),
    "box_labels": np.array([7, -1]),
    "turned": np.arange(6, dtype=np.uint8).reshape(2, 3).T,
}


def by_protobuf(index: int, arrays=ARRAYS) -> pb.AugmentationResult:
    return pb.AugmentationResult(index=index, arrays=[to_tensor(name, array) for name, array in arrays.items()])


@pytest.mark.parametrize("index", [0, 1, 127, 128, 2**48 - 1])
def test_message_is_what_protobuf_makes(index):
    results = [encode_result(index, ARRAYS, LIMIT), encode_result(index, {}, LIMIT)]
    wanted = pb.AugmentResponse(results=[by_protobuf(index), by_protobuf(index, {})])
    [frame] = in_frames(results, LIMIT, LIMIT)
    assert frame.data == wanted.SerializeToString()
    wanted.policy_digest, wanted.pool = "e" * 64, "datasets/pets/versions/1"
    wanted.policy_name = "policies/pets/versions/2"
    head = encode_head(wanted.policy_digest, wanted.pool, wanted.policy_name)
    assert pb.AugmentResponse.FromString(frame.data + head) == wanted
    shared = encode_head("e" * 64, "", "", shares_memory=True)
    assert shared == pb.AugmentResponse(policy_digest="e" * 64, shares_memory=True).SerializeToString()
    assert encode_head("e" * 64, "", "") == pb.AugmentResponse(policy_digest="e" * 64).SerializeToString()


def test_result_in_a_block_is_what_protobuf_makes():
    wanted = by_protobuf(300)
    wanted.in_block = True
    for tensor in wanted.arrays:
        tensor.ClearField("data")
    [frame] = in_frames([encode_result_in_block(300, ARRAYS)], LIMIT, LIMIT)
    assert frame.data == pb.AugmentResponse(results=[wanted]).SerializeToString()


def test_failure_is_told_under_any_index():
    for index in (-1, 0, 2**62):
        [frame] = in_frames([encode_failure(index, InvalidField("image", "x", "y"))], LIMIT, LIMIT)
        [result] = pb.AugmentResponse.FromString(frame.data).results
        assert (result.index, result.error.metadata["allowed"]) == (index, "y")


def test_results_are_joined_up_to_a_size():
    one = encode_result(1, {"image": np.zeros((100, 100, 1), np.uint8)}, LIMIT)
    assert [frame.count for frame in in_frames([one] * 7, 25_000, LIMIT)] == [3, 3, 1]
    assert [frame.count for frame in in_frames([one] * 7, LIMIT, 25_000)] == [2, 2, 2, 1]
    assert list(in_frames([], LIMIT, LIMIT)) == []


def test_result_beyond_a_message_is_a_failure():
    [frame] = in_frames([encode_result(1, {"image": np.zeros((100, 100, 1), np.uint8)}, 10_000)], LIMIT, LIMIT)
    [result] = pb.AugmentResponse.FromString(frame.data).results
    assert result.error.reason == "RESOURCE_EXHAUSTED"
