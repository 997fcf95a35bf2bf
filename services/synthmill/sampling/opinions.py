"""Leaves opinions out of a sampler graph, so that nobody pays for those that nobody asks for.

ONNX Runtime computes all of a graph, whatever of it is wanted. A file is one message of ONNX's; only an outline of that
format is declared here, and what the outline does not name is kept as it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from synthmill.runtime.errors import BadGraph

OPINIONS_KEY = "synthmill.opinions"

_PACKAGE = "synthmill.outline"
_TEXT = ""

# By message and field: the field's number, and the message that it holds. To repeat what comes once is the same bytes.
_OUTLINE: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph"), "metadata_props": (14, "Property")},
    "Property": {"key": (1, _TEXT), "value": (2, _TEXT)},
    "Graph": {
        "node": (1, "Node"),
        "initializer": (5, "Tensor"),
        "output": (12, "Value"),
        "sparse_initializer": (15, "SparseTensor"),
    },
    "Node": {"input": (1, _TEXT), "output": (2, _TEXT), "attribute": (5, "Attribute")},
    "Attribute": {"g": (6, "Graph"), "graphs": (11, "Graph")},
    "Tensor": {"name": (8, _TEXT)},
    "SparseTensor": {"values": (1, "Tensor")},
    "Value": {"name": (1, _TEXT)},
}


def keep_opinions(file: bytes, kept: Collection[str]) -> bytes:
    """Returns a sampler graph without the opinions that are not kept, and without what only they need.

    Args:
        file: an ONNX file.
        kept: names of opinions.

    Raises:
        BadGraph: it is no ONNX file.
    """
    try:
        model = _MODEL.FromString(file)
    except DecodeError as error:
        raise BadGraph(f"not an ONNX file: {error}") from None
    told = {text for entry in model.metadata_props if OPINIONS_KEY in entry.key for text in entry.value}
    dropped = {name for text in told for name in json.loads(text)} - set(kept)
    if not dropped:
        return file
    for graph in model.graph:
        _replace(graph.output, [value for value in graph.output if not dropped.intersection(value.name)])
        _drop_unneeded(graph)
    return model.SerializeToString()


def _drop_unneeded(graph: Any) -> None:
    """Drops nodes and constants of which no output is made."""
    needed = {name for value in graph.output for name in value.name}
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(_names_read(node))
            nodes.append(node)
    _replace(graph.node, reversed(nodes))
    _replace(graph.initializer, [tensor for tensor in graph.initializer if needed.intersection(tensor.name)])
    sparse = [tensor for tensor in graph.sparse_initializer if needed.intersection(tensor.values[0].name)]
    _replace(graph.sparse_initializer, sparse)


def _names_read(node: Any) -> Iterator[str]:
    """Yields the names of the values that a node reads; graphs inside it take some from around them."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (*attribute.g, *attribute.graphs):
            for value in graph.output:
                yield from value.name
            for inner in graph.node:
                yield from _names_read(inner)


def _replace(field: Any, values: Iterable[Any]) -> None:
    kept = list(values)
    del field[:]
    field.extend(kept)


def _declare() -> type[Any]:
    """Returns the class of the message "Model"."""
    file = descriptor_pb2.FileDescriptorProto(name="outline.proto", package=_PACKAGE, syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _OUTLINE.items():
        declared = file.message_type.add(name=message)
        for name, (number, held) in fields.items():
            field = declared.field.add(name=name, number=number, label=kinds.LABEL_REPEATED, type=kinds.TYPE_STRING)
            if held != _TEXT:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{held}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))


_MODEL = _declare()
