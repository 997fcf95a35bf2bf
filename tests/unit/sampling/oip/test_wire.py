"""Responses written by hand are what protobuf would have written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sampling.oip.calls import strings

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.sampling.oip.specs import DATATYPES, TensorSpec
from synthmill.sampling.oip.wire import encode, to_buffers
from synthmill.v1 import tensor_pb2

contents = st.lists(st.lists(st.binary(max_size=200), max_size=3), max_size=4)


@given(contents, st.text(max_size=20), st.booleans())
def test_bytes_are_those_of_protobuf(contents, request_id, streamed):
    head = pb.ModelInferResponse(model_name="m", id=request_id)
    made = encode(head, contents, streamed=streamed)
    expected = pb.ModelInferResponse(model_name="m", id=request_id, raw_output_contents=map(b"".join, contents))
    if streamed:
        assert made == pb.ModelStreamInferResponse(infer_response=expected).SerializeToString()
    else:
        assert made == expected.SerializeToString()


def test_lengths_of_several_bytes():
    piece = bytes(range(256)) * 5000
    made = encode(pb.ModelInferResponse(), [[memoryview(piece), piece]], streamed=True)
    read = pb.ModelStreamInferResponse.FromString(made)
    assert list(read.infer_response.raw_output_contents) == [piece * 2]


@pytest.mark.parametrize("number", [number for number, datatype in DATATYPES.items() if datatype.dtype])
def test_numbers_are_row_major_and_little_endian(number):
    spec = TensorSpec("x", number, (-1, 2, 3))
    native = np.arange(12).reshape(2, 3, 2).astype(spec.datatype.dtype)
    swapped = native.astype(native.dtype.newbyteorder(">")).transpose(0, 2, 1)
    (buffer,) = to_buffers(spec, [swapped])
    assert bytes(buffer) == native.transpose(0, 2, 1).tobytes()


def test_contiguous_numbers_are_not_copied():
    column = np.arange(6, dtype=np.float32).reshape(2, 3)
    (buffer,) = to_buffers(TensorSpec("x", tensor_pb2.DATA_TYPE_FLOAT32, (-1, 3)), [column])
    column[0, 0] = 7
    assert np.frombuffer(buffer, np.float32)[0] == 7


def test_strings_have_their_lengths():
    spec = TensorSpec("x", tensor_pb2.DATA_TYPE_STRING, (-1,))
    pieces = [np.array(["", "Süß"], object), np.array(["x" * 300], object)]
    assert strings(b"".join(to_buffers(spec, pieces))) == ["", "Süß", "x" * 300]
