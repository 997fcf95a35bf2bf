"""Augmented records read without protobuf: the same as with it, down to the errors."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from support.damage import CHANGES, NUMBERS, TENSORS, damaged, told_of
from synthmill.client import results
from synthmill.client.results import read_response, view_response
from synthmill.runtime.tensors import from_tensor, to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

ERRORS = st.builds(
    pb.AugmentationError,
    reason=st.text(max_size=9),
    message=st.text(max_size=9),
    metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)
RESULTS = st.builds(
    pb.AugmentationResult,
    index=NUMBERS,
    arrays=st.lists(TENSORS, max_size=3),
    error=st.one_of(st.none(), ERRORS),
    in_block=st.booleans(),
)
RESPONSES = st.builds(
    pb.AugmentResponse,
    results=st.lists(RESULTS, max_size=3),
    policy_digest=st.text(max_size=70),
    pool=st.text(max_size=20),
    policy_name=st.text(max_size=20),
    shares_memory=st.booleans(),
)
IMAGE = np.arange(200 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(200, 200, 3)
LABEL = np.array([0.25, 0.75], np.float32)
LARGE = pb.AugmentResponse(
    results=[pb.AugmentationResult(index=5, arrays=[to_tensor("image", IMAGE), to_tensor("label", LABEL)])]
).SerializeToString()


@pytest.fixture(autouse=True)
def small_results_are_viewed_too(monkeypatch):
    monkeypatch.setattr(results, "_LEAST_RESULT_BYTES", 0)


def told(response) -> tuple:
    """Returns all that a response says."""
    rows = [
        (each.index, told_of(each.arrays), each.error and (each.error.reason, each.error.message), each.in_block)
        for each in response.results
    ]
    return rows, response.policy_digest, response.pool, response.policy_name, response.shares_memory


def by_protobuf(message: bytes):
    """Returns what is read if nothing is viewed; None if protobuf refuses the message."""
    try:
        return told(read_response_by_protobuf(message))
    except DecodeError:
        return None


def read_response_by_protobuf(message: bytes):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(results, "view_response", lambda message: None)
        return read_response(message)


def assert_agrees(message: bytes) -> None:
    """Whatever is viewed is what protobuf reads; what protobuf refuses is not viewed."""
    view = view_response(message)
    assert view is None or told(view) == by_protobuf(message)


@given(RESPONSES)
def test_message_is_read_as_protobuf_reads_it(response):
    assert_agrees(response.SerializeToString())


@settings(max_examples=1000)
@given(RESPONSES, CHANGES)
def test_damaged_message_is_read_as_protobuf_reads_it_or_not_at_all(response, changes):
    assert_agrees(damaged(response.SerializeToString(), changes))


@given(RESPONSES, RESPONSES)
def test_joined_messages_are_read_as_protobuf_reads_them_or_not_at_all(first, second):
    assert_agrees(first.SerializeToString() + second.SerializeToString())


@given(st.binary(max_size=60))
def test_bytes_at_random_are_read_as_protobuf_reads_them_or_not_at_all(message):
    assert_agrees(message)


def test_large_array_is_a_read_only_view_and_a_small_one_a_copy():
    [result] = read_response(LARGE).results
    image, label = map(from_tensor, result.arrays)
    whole = np.frombuffer(LARGE, np.uint8)
    assert np.shares_memory(image, whole)
    assert not np.shares_memory(label, whole)
    assert not image.flags.writeable
    assert (image == IMAGE).all()
    assert label.tolist() == LABEL.tolist()


def test_small_results_are_left_to_protobuf(monkeypatch):
    monkeypatch.undo()
    small = pb.AugmentResponse(results=[pb.AugmentationResult(index=1, arrays=[to_tensor("image", IMAGE[:9, :9])])])
    assert view_response(small.SerializeToString()) is None
    [result] = read_response(small.SerializeToString()).results
    assert (from_tensor(result.arrays[0]) == IMAGE[:9, :9]).all()
    assert view_response(LARGE) is not None


@pytest.mark.parametrize("size", [1, 100, len(LARGE) // 2, len(LARGE) - 1])
def test_truncated_message_is_refused_as_protobuf_refuses_it(size):
    with pytest.raises(DecodeError):
        read_response(LARGE[:size])
