"""Messages as others may write them: with any tensors, and damaged."""

from __future__ import annotations

from hypothesis import strategies as st

from synthmill.v1.tensor_pb2 import Tensor

NUMBERS = st.one_of(st.sampled_from([0, 1, 127, 128, 2**31, 2**48, 2**63 - 1, -1]), st.integers(-(2**63), 2**63 - 1))
TENSORS = st.builds(
    Tensor,
    name=st.text(max_size=4),
    data_type=st.one_of(st.integers(0, 14), st.integers(-(2**31), 2**31 - 1)),
    shape=st.lists(NUMBERS, max_size=4),
    data=st.binary(max_size=200),
)
CHANGES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=4)
"""Bytes to put into a message, and where."""


def damaged(message: bytes, changes: list[tuple[int, int]]) -> bytes:
    """Returns a message with some bytes replaced."""
    changed = bytearray(message)
    for place, byte in changes:
        if changed:
            changed[place % len(changed)] = byte
    return bytes(changed)


def told_of(tensors) -> list[tuple]:
    """Returns all that tensors say."""
    return [(each.name, each.data_type, tuple(each.shape), bytes(each.data)) for each in tensors]
