"""Tensors that claim what they do not have."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import MAX_AXES, from_tensor, to_tensor
from synthmill.v1.tensor_pb2 import DATA_TYPE_STRING, DATA_TYPE_UINT8, Tensor


@pytest.mark.parametrize("data_type", [DATA_TYPE_UINT8, DATA_TYPE_STRING])
@pytest.mark.parametrize(
    "shape",
    [[2**62] * 2, [2**62] * 20_000, [1] * (MAX_AXES + 1), [0, 2**62, 2**62], [-1], [-(2**63), 2]],
    ids=["product", "axes", "one-axis-more", "empty", "negative", "least"],
)
def test_shape_that_no_array_has_is_an_invalid_field(data_type, shape):
    with pytest.raises(InvalidField) as refusal:
        from_tensor(Tensor(name="x", data_type=data_type, shape=shape))
    assert refusal.value.metadata["field"] == "x.shape"


@pytest.mark.parametrize("count", [3, 2**30, 2**48])
def test_strings_that_are_not_there_are_missed_before_there_is_room_for_them(count):
    with pytest.raises(InvalidField, match="strings with their lengths"):
        from_tensor(Tensor(name="x", data_type=DATA_TYPE_STRING, shape=[count], data=bytes(8)))


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (2, 3), (1,) * MAX_AXES], ids=str)
def test_shape_that_an_array_has_is_kept(shape):
    assert from_tensor(to_tensor("x", np.ones(shape, np.float32))).shape == shape
