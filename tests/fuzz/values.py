"""What may stand in a field: edges of its type, names that exist, tricks, and anything else."""

from __future__ import annotations

import functools

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

TRICKS = (
    *("", " ", ".", "..", "/", "\\", "~", "*", "%00", "%2e%2e/", "a\0b", "a\nb", "\r\nx-injected: 1", "\x1b[31m"),
    *("../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/environ", "file:///etc/passwd", "file://host/x"),
    *("http://localhost/", "s3://bucket/key", "store://sha256/" + "0" * 64, "store://sha256/../../etc/passwd"),
    *("datasets/", "datasets/../models/a", "datasets/a/versions/0", "models/a/versions/-1", "jobs/", "loops/"),
    *("models/a/versions/99999999999999999999", "evaluations/0", "jobs/catalog-", "jobs/training-%s", "policies/a/b"),
    *("NaN", "-inf", "1e999", "null", "[]", "{", '{"label": 1}', "' OR 1=1 --", "; touch x", "$(touch x)", "{{7*7}}"),
    *("\u202etxt.exe", "\ufeff", "\ud7ff", "é", "e\u0301", "😀" * 50, "ß" * 64, "İ"),
    *("x" * 64, "x" * 300, "x" * 5000, "a/" * 3000, "9" * 400),
    *("00000000-0000-0000-0000-000000000000", "{urn:uuid:12345678123456781234567812345678}", "not-a-uuid"),
)
"""Text that has broken somebody's service."""

_LONG = "y" * 100_000
_BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_EDGES = (0, 1, 2, -1, 7, 10, 63, 64, 255, 256, 1000, 4096, 65_535, 10**6, 2**31 - 1, 2**32, 2**40, 2**48, 2**53, 2**62)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-9, 1e9, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7e308, 1e300)


@functools.cache
def scalars(field: FieldDescriptor, names: tuple[str, ...]) -> st.SearchStrategy:
    """Returns the values of a field that is no message.

    Args:
        field: of a message, or of an entry of a map.
        names: of resources that exist, and other words that mean something.
    """
    kind = field.cpp_type
    if kind in _BITS:
        low, high = _BITS[kind]
        edges = [edge for edge in (*_EDGES, low, high) if low <= edge <= high]
        return st.one_of(st.sampled_from(edges), st.sampled_from(edges), st.integers(low, high))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.one_of(st.sampled_from(field.enum_type.values_by_number.keys()), st.sampled_from([-1, 99, 2**31 - 1]))
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return st.one_of(st.sampled_from(_FLOATS), st.floats())
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.one_of(st.binary(max_size=64), st.sampled_from([b"", b"\0" * 64, b"\xff" * 1000, bytes(200_000)]))
    return texts(names)


@functools.cache
def texts(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Returns names that exist, tricks, and any text."""
    known = st.sampled_from(names)
    return st.one_of(known, known, st.sampled_from(TRICKS), st.text(max_size=16), st.sampled_from([_LONG]))


@functools.cache
def json_values(names: tuple[str, ...], depth: int = 3) -> st.SearchStrategy:
    """Returns what a `google.protobuf.Struct` may hold, some of it nested as deep as a message can be."""
    numbers = st.one_of(st.sampled_from([*_EDGES, *_FLOATS]), st.floats())
    leaves = st.one_of(st.none(), st.booleans(), numbers, texts(names))
    if not depth:
        return st.one_of(leaves, st.sampled_from([nested(20), nested(40)]))
    inner = json_values(names, depth - 1) if depth > 1 else leaves
    return st.one_of(leaves, leaves, st.lists(inner, max_size=3), st.dictionaries(texts(names), inner, max_size=3))


def nested(depth: int) -> list:
    """Returns a list in a list in a list ..."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value
