"""Reads from a foreign graph what its maker did not write down: number of classes, range of values."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from synthmill.learning.graph.untrusted import extents

_SHAPE_ONLY = frozenset(["Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose"])


def class_count(graph: onnx.GraphProto, label: str, tensor: onnx.TypeProto.Tensor) -> int | None:
    """Returns the number of classes that a label input has, None if the graph does not tell.

    Args:
        graph: the generator.
        label: name of its label input.
        tensor: type of that input; one-hot vectors tell by their width, integers by the embedding they look up.
    """
    if tensor.elem_type not in (TensorProto.INT32, TensorProto.INT64):
        return extents(tensor)[-1]
    constants = constant_values(graph)
    names = {label}
    for node in graph.node:
        if node.op_type in _SHAPE_ONLY and node.input[0] in names:
            names.update(node.output)
        elif node.op_type == "Gather" and node.input[1] in names and node.input[0] in constants:
            return constants[node.input[0]].shape[0]
        elif node.op_type == "OneHot" and node.input[0] in names and node.input[1] in constants:
            return int(constants[node.input[1]].item())
    return None


def value_range(graph: onnx.GraphProto, name: str) -> tuple[float, float] | None:
    """Returns the bounds of a value's elements where the operator that makes it has some, else None."""
    producers = {output: node for node in graph.node for output in node.output}
    node = producers.get(name)
    while node is not None and node.op_type in _SHAPE_ONLY:
        node = producers.get(node.input[0])
    if node is None:
        return None
    if node.op_type == "Clip":
        constants = constant_values(graph)
        bounds = [constants[bound].item() for bound in node.input[1:] if bound in constants]
        return (bounds[0], bounds[1]) if len(bounds) == 2 else None
    return {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}.get(node.op_type)


def constant_values(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Returns the constants of a graph by name."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            values[node.output[0]] = node.attribute[0].t
    return {name: numpy_helper.to_array(tensor) for name, tensor in values.items()}
