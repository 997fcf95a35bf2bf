"""Fills every message of the wire, sends it through bytes and back, and prints what came of it as JSON.

Run with the Python whose gRPC and protobuf are to be tested; needs nothing else.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections.abc import MutableMapping, MutableSequence
from types import ModuleType

import google.protobuf
import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message

import synthmill.oip.v1
import synthmill.v1

_MAX_DEPTH = 3
_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: -(2**31),
    FieldDescriptor.CPPTYPE_INT64: -(2**63),
    FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
    FieldDescriptor.CPPTYPE_FLOAT: 0.5,
    FieldDescriptor.CPPTYPE_DOUBLE: 0.1,
    FieldDescriptor.CPPTYPE_BOOL: True,
}


def main() -> None:
    """Imports all stubs, then fills and compares every message of theirs."""
    modules = [module for package in (synthmill.v1, synthmill.oip.v1) for module in _modules(package)]
    files = [module.DESCRIPTOR for module in modules if hasattr(module, "DESCRIPTOR")]
    digest, messages = hashlib.sha256(), 0
    for descriptor in (item for file in files for item in _messages(file)):
        message = _fill(message_factory.GetMessageClass(descriptor)(), _MAX_DEPTH)
        data = message.SerializeToString(deterministic=True)
        copy = type(message).FromString(data)
        if copy != message:
            raise SystemExit(f"{descriptor.full_name}: {copy} came back instead of {message}")
        digest.update(data)
        messages += 1
    versions = {"grpc": grpc.__version__, "protobuf": google.protobuf.__version__}
    print(json.dumps({**versions, "modules": len(modules), "messages": messages, "sha256": digest.hexdigest()}))


def _modules(package: ModuleType) -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _messages(file: FileDescriptor) -> list[Descriptor]:
    return [file.message_types_by_name[name] for name in sorted(file.message_types_by_name)]


def _fill(message: Message, depth: int) -> Message:
    # What protobuf itself brings, such as Struct, is not ours to test.
    ours = message.DESCRIPTOR.full_name.startswith("synthmill.")
    for field in message.DESCRIPTOR.fields if ours and depth else ():
        target = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            _fill_map(target, field.message_type.fields_by_name["value"], depth)
        elif field.message_type and isinstance(target, MutableSequence):
            _fill(target.add(), depth - 1)
        elif isinstance(target, MutableSequence):
            target.extend([_scalar(field)] * 2)
        elif field.message_type:
            target.SetInParent()
            _fill(target, depth - 1)
        else:
            setattr(message, field.name, _scalar(field))
    return message


def _fill_map(target: MutableMapping, value: FieldDescriptor, depth: int) -> None:
    if value.message_type:
        _fill(target["key"], depth - 1)
    else:
        target["key"] = _scalar(value)


def _scalar(field: FieldDescriptor) -> object:
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return b"\x00\xff" if field.type == FieldDescriptor.TYPE_BYTES else "Süß \N{SNOWMAN}"
    return _NUMBERS[field.cpp_type]


if __name__ == "__main__":
    main()
