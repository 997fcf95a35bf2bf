"""Requests that are no messages, in a call of one and in a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from synthmill.runtime.errors import BadData
from synthmill.runtime.requests import Unreadable, readable, tolerant
from synthmill.v1 import catalog_service_pb2 as pb

GOOD = pb.GetDatasetRequest(name="datasets/a")
BAD = b"\x0a\x7fx"

read = tolerant(pb.GetDatasetRequest.FromString)


async def answer_one(request: pb.GetDatasetRequest, context: object) -> str:
    return request.name


async def answer_all(requests: AsyncIterator[pb.GetDatasetRequest], context: object) -> list[str]:
    return [request.name async for request in requests]


async def stream(*data: bytes) -> AsyncIterator[object]:
    for each in data:
        yield read(each)


async def test_message_is_answered():
    answer = readable(grpc.unary_unary_rpc_method_handler(answer_one))
    assert await answer(read(GOOD.SerializeToString()), None) == "datasets/a"


async def test_bytes_that_are_no_message_are_bad_data_with_their_size():
    answer = readable(grpc.unary_unary_rpc_method_handler(answer_one))
    with pytest.raises(BadData, match="3 bytes is no message") as refusal:
        await answer(read(BAD), None)
    assert refusal.value.metadata["field"] == "request"


async def test_stream_is_read_up_to_what_is_no_message():
    answer = readable(grpc.stream_unary_rpc_method_handler(answer_all))
    good = GOOD.SerializeToString()
    assert await answer(stream(good, good), None) == ["datasets/a"] * 2
    with pytest.raises(BadData):
        await answer(stream(good, BAD, good), None)


def test_bytes_of_a_method_without_messages_are_left_alone():
    assert tolerant(None) is None
    assert isinstance(read(BAD), Unreadable)
