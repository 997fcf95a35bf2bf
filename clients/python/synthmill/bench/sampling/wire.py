"""Reads and writes of messages just as much as a load needs, so that unpacking does not count as load."""

from __future__ import annotations

import struct

from synthmill.v1 import sampling_service_pb2 as pb

SAMPLE = "/synthmill.v1.SamplingService/Sample"
STREAM = "/synthmill.v1.SamplingService/StreamSamples"
ECHO = "/synthmill.bench.Pipe/Echo"
PUMP = "/synthmill.bench.Pipe/Pump"

_COUNT = pb.SampleChunk.COUNT_FIELD_NUMBER
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZE = struct.Struct("<I")


def sample_count(message: bytes) -> int:
    """Returns `count` of a serialised `SampleChunk`, stepping over all else."""
    position, count = 0, 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            count = value if tag >> 3 == _COUNT else count
        elif kind == _BYTES:
            size, position = _varint(message, position)
            position += size
        else:
            position += {_FIXED64: 8, _FIXED32: 4}[kind]
    return count


def echo_request(answer_bytes: int, length: int) -> bytes:
    """Makes a request to the bare server for an answer of so many bytes, as long as the request it stands for."""
    return _SIZE.pack(answer_bytes).ljust(length, b"\0")


def echo_answer_bytes(request: bytes) -> int:
    """Returns how many bytes an echo request asks for."""
    return _SIZE.unpack_from(request)[0]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
