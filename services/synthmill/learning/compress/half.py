"""Turns the body of a sampler graph into 16-bit floats; its noise and its finish stay float32.

This is for GPUs. On a CPU ONNX Runtime computes most of it in float32 and converts: the graph is smaller, not faster.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from synthmill.learning.compress.parts import names_read, split

# All floats that these take and make are of one type, but for what `_KEPT_INPUTS` names.
_PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Min", "Max", "Clip"}
_FUNCTIONS = {"Relu", "LeakyRelu", "PRelu", "Elu", "Tanh", "Sigmoid"}
_MOVES = {"Concat", "Split", "Slice", "Gather", "Transpose", "Expand", "Tile", "Pad", "Identity"}
_SHAPES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}
_IMAGES = {"Resize", "DepthToSpace", "SpaceToDepth", "MaxPool", "AveragePool"}
_OPERATORS = frozenset().union(_PRODUCTS, _ARITHMETIC, _FUNCTIONS, _MOVES, _SHAPES, _IMAGES)
# Region and factors of a Resize.
_KEPT_INPUTS = {"Resize": (1, 2)}
_SUFFIX = "/float16"
_LARGEST = float(np.finfo(np.float16).max)


def to_half(data: bytes) -> bytes:
    """Returns a sampler graph whose body computes in float16; metadata, inputs and outputs are the same.

    Args:
        data: a sampler graph in float32.

    Raises:
        FailedPrecondition: the graph has no layer with weights.
    """
    model = onnx.load_from_string(data)
    chosen = {node.name for node in split(model.graph).body if node.op_type in _OPERATORS}
    _Halving(model, chosen).apply()
    return model.SerializeToString(deterministic=True)


class _Halving:
    """One conversion of a graph, in place.

    Args:
        model: the graph.
        chosen: names of the nodes that are to compute in float16.
    """

    def __init__(self, model: onnx.ModelProto, chosen: set[str]) -> None:
        self._graph = model.graph
        self._chosen = chosen
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = shape_inference.infer_shapes(model, strict_mode=True).graph
        values = [*inferred.value_info, *inferred.input, *inferred.output]
        types = {value.name: value.type.tensor_type.elem_type for value in values}
        types |= {name: tensor.data_type for name, tensor in self._constants.items()}
        self._floats = {name for name, data_type in types.items() if data_type == TensorProto.FLOAT}
        self._halves: set[str] = set()
        self._nodes: list[onnx.NodeProto] = []

    def apply(self) -> None:
        """Replaces the nodes and the constants of the graph."""
        outside = {name for node in self._graph.node if node.name not in self._chosen for name in names_read(node)}
        outside.update(output.name for output in self._graph.output)
        for node in list(self._graph.node):
            if node.name not in self._chosen:
                self._nodes.append(node)
                continue
            self._convert_inputs(node)
            self._nodes.append(node)
            self._convert_outputs(node, outside)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in names_read(node)} | {value.name for value in self._graph.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _convert_inputs(self, node: onnx.NodeProto) -> None:
        for position, name in enumerate(node.input):
            if name not in self._floats or position in _KEPT_INPUTS.get(node.op_type, ()):
                continue
            half = name + _SUFFIX
            if half not in self._halves:
                self._halves.add(half)
                if name in self._constants:
                    self._graph.initializer.append(_half_of(self._constants[name], half))
                else:
                    self._nodes.append(_cast(name, half, TensorProto.FLOAT16))
            node.input[position] = half

    def _convert_outputs(self, node: onnx.NodeProto, outside: set[str]) -> None:
        for position, name in enumerate(node.output):
            if name not in self._floats:
                continue
            half = name + _SUFFIX
            self._halves.add(half)
            node.output[position] = half
            if name in outside:
                self._nodes.append(_cast(half, name, TensorProto.FLOAT))


def _half_of(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    return numpy_helper.from_array(values.clip(-_LARGEST, _LARGEST).astype(np.float16), name)


def _cast(source: str, target: str, data_type: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=data_type)
