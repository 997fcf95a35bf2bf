"""Reads ONNX files from anyone: whatever passes is one self-contained file of standard, deterministic operators."""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, checker, helper, shape_inference

from synthmill.runtime.errors import BadGraph

MAX_GRAPH_BYTES = 1 << 30
MAX_NODES = 50_000
MAX_SUBGRAPH_DEPTH = 8
MAX_VALUE_BYTES = 1 << 30

_STANDARD_DOMAINS = ("", "ai.onnx")
_RANDOM_OPERATORS = frozenset(
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]
)
_CHECKER_ERRORS = (checker.ValidationError, shape_inference.InferenceError, RuntimeError, ValueError, TypeError)


def parse_untrusted(data: bytes) -> onnx.ModelProto:
    """Parses an ONNX file, refuses what a sampler graph must not contain, and infers the shapes of its values.

    Raises:
        BadGraph: not ONNX, too large, or it has external data, functions, training information, operators that are
            not standard or draw random numbers, or it is malformed.
    """
    if len(data) > MAX_GRAPH_BYTES:
        raise BadGraph(f"the file has {len(data)} bytes, allowed: up to {MAX_GRAPH_BYTES}", value=len(data))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError) as error:
        raise BadGraph(f"not an ONNX file: {error}") from None
    if not model.graph.node or not model.graph.output:
        raise BadGraph("not an ONNX file: it has no graph")
    _check_model(model)
    for graph, depth in _graphs(model.graph, 0):
        _check_graph(graph, depth)
    return _infer(data)


def extents(tensor: onnx.TypeProto.Tensor) -> list[int | None]:
    """Returns the extent of each axis, None for one that is not fixed."""
    return [axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim]


def _check_model(model: onnx.ModelProto) -> None:
    if model.functions:
        raise BadGraph(f"local functions are not allowed, found {model.functions[0].name!r}")
    if model.training_info:
        raise BadGraph("training information is not allowed")
    foreign = [entry.domain for entry in model.opset_import if entry.domain not in _STANDARD_DOMAINS]
    if foreign:
        raise BadGraph(f"only standard ONNX operators are allowed, found the domain {foreign[0]!r}", value=foreign[0])


def _graphs(graph: onnx.GraphProto, depth: int) -> Iterator[tuple[onnx.GraphProto, int]]:
    """Yields a graph and those nested in it, each with its depth."""
    yield graph, depth
    for node in graph.node:
        for attribute in node.attribute:
            # Both fields whatever the declared type: a reader that trusts another field must find nothing there.
            for nested in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _graphs(nested, depth + 1)


def _check_graph(graph: onnx.GraphProto, depth: int) -> None:
    if depth > MAX_SUBGRAPH_DEPTH:
        raise BadGraph(f"subgraphs are nested more than {MAX_SUBGRAPH_DEPTH} deep")
    if len(graph.node) > MAX_NODES:
        raise BadGraph(f"the graph has {len(graph.node)} nodes, allowed: up to {MAX_NODES}", value=len(graph.node))
    for node in graph.node:
        _check_node(node)
    for tensor in _tensors(graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise BadGraph(f"the tensor {tensor.name!r} has external data; all data must be inside the file")


def _check_node(node: onnx.NodeProto) -> None:
    if node.domain not in _STANDARD_DOMAINS:
        raise BadGraph(
            f"only standard ONNX operators are allowed, found {node.domain}.{node.op_type}", value=node.domain
        )
    training = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]
    if node.op_type in _RANDOM_OPERATORS or training:
        raise BadGraph(
            f"the operator {node.op_type} draws random numbers of its own; a sample must depend on its inputs alone",
            value=node.op_type,
        )


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)
            sparse += [*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])]
            sparse += attribute.sparse_tensors
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def _infer(data: bytes) -> onnx.ModelProto:
    try:
        checker.check_model(data, full_check=True)
        inferred = shape_inference.infer_shapes(data, check_type=True, strict_mode=True, data_prop=True)
    except _CHECKER_ERRORS as error:
        raise BadGraph(f"the graph is not valid: {error}") from None
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        _check_size(value)
    return inferred


def _check_size(value: onnx.ValueInfoProto) -> None:
    tensor = value.type.tensor_type
    if tensor.elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        return
    size = math.prod(extent or 1 for extent in extents(tensor))
    size_bytes = size * helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
    if size_bytes > MAX_VALUE_BYTES:
        raise BadGraph(f"the value {value.name!r} takes {size_bytes} bytes a sample, allowed: up to {MAX_VALUE_BYTES}")
