"""Reads the comments of protos and says where they tell too little."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import grpc
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

_MESSAGES = FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER
_ENUMS = FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER
_SERVICES = FileDescriptorProto.SERVICE_FIELD_NUMBER
_FIELDS = DescriptorProto.FIELD_FIELD_NUMBER
_NESTED = DescriptorProto.NESTED_TYPE_FIELD_NUMBER
_ONEOFS = DescriptorProto.ONEOF_DECL_FIELD_NUMBER
_VALUES = EnumDescriptorProto.VALUE_FIELD_NUMBER
_METHODS = ServiceDescriptorProto.METHOD_FIELD_NUMBER

_PRESENCE = re.compile(r"(Required|Optional|Output only)\b.*\.", re.DOTALL)
_CODES = re.compile(r"Codes: (.+)\.$", re.DOTALL)
_CODE = re.compile(r"\b[A-Z_]{5,}\b")
_CODE_NAMES = {code.name for code in grpc.StatusCode}


@dataclasses.dataclass(frozen=True)
class Documented:
    """Something in a proto file that a comment belongs to."""

    name: str
    comment: str


def fields_of(descriptors: FileDescriptorSet) -> Iterator[Documented]:
    """Yields all fields, and instead of the members of a oneof, which share its comment's first word, the oneof."""
    for file, message, path, name in _messages(descriptors):
        comments = _comments(file)
        for index, field in enumerate(message.field):
            if not field.HasField("oneof_index") or field.proto3_optional:
                yield Documented(f"{name}.{field.name}", comments.get((*path, _FIELDS, index), ""))
        for index, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):
                yield Documented(f"{name}.{oneof.name}", comments.get((*path, _ONEOFS, index), ""))


def methods_of(descriptors: FileDescriptorSet) -> Iterator[Documented]:
    """Yields all methods of all services."""
    for file in descriptors.file:
        comments = _comments(file)
        for position, service in enumerate(file.service):
            for index, method in enumerate(service.method):
                comment = comments.get((_SERVICES, position, _METHODS, index), "")
                yield Documented(f"{service.name}.{method.name}", comment)


def enum_values_of(descriptors: FileDescriptorSet, enum_name: str) -> Iterator[Documented]:
    """Yields the values of a top-level enum."""
    for file in descriptors.file:
        comments = _comments(file)
        for position, enum in enumerate(file.enum_type):
            for index, value in enumerate(enum.value if enum.name == enum_name else ()):
                yield Documented(value.name, comments.get((_ENUMS, position, _VALUES, index), ""))


def fields_without_presence(descriptors: FileDescriptorSet) -> list[str]:
    """Returns the fields whose comment does not begin with Required, Optional or Output only."""
    return [field.name for field in fields_of(descriptors) if not _PRESENCE.match(field.comment)]


def methods_without_codes(descriptors: FileDescriptorSet) -> list[str]:
    """Returns the methods whose comment does not end with the status codes they return."""
    methods = list(methods_of(descriptors))
    return [method.name for method in methods if not _lists_codes(method, {other.name for other in methods})]


def enums_without_unspecified(descriptors: FileDescriptorSet) -> list[str]:
    """Returns the enums whose zero could be read as a meaning."""
    enums = [enum for file in descriptors.file for enum in file.enum_type]
    enums += [enum for _, message, _, _ in _messages(descriptors) for enum in message.enum_type]
    return [enum.name for enum in enums if not enum.value[0].name.endswith("_UNSPECIFIED") or enum.value[0].number != 0]


def _lists_codes(method: Documented, methods: set[str]) -> bool:
    match = _CODES.search(method.comment)
    if match is None:
        return False
    codes = " ".join(match.group(1).split())
    if other := re.fullmatch(r"as (\w+)", codes):
        return f"{method.name.split('.')[0]}.{other.group(1)}" in methods
    named = set(_CODE.findall(codes))
    return codes == "none of its own" or (bool(named) and named <= _CODE_NAMES)


def _messages(
    descriptors: FileDescriptorSet,
) -> Iterator[tuple[FileDescriptorProto, DescriptorProto, tuple[int, ...], str]]:
    for file in descriptors.file:
        for index, message in enumerate(file.message_type):
            for nested, path, name in _with_nested(message, (_MESSAGES, index), message.name):
                yield file, nested, path, name


def _with_nested(
    message: DescriptorProto, path: tuple[int, ...], name: str
) -> Iterator[tuple[DescriptorProto, tuple[int, ...], str]]:
    # The entries of a map are made by the compiler.
    if message.options.map_entry:
        return
    yield message, path, name
    for index, nested in enumerate(message.nested_type):
        yield from _with_nested(nested, (*path, _NESTED, index), f"{name}.{nested.name}")


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
