"""Which batch sizes give a sample the same bits, as far as the operators of a graph tell."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import onnx
from onnx import TensorProto, numpy_helper

# Whatever the number of rows, these compute each row in the same way: ONNX Runtime's matrix products and convolutions
# block neither the inner dimension nor an image by the batch, and these functions treat the elements left over at the
# end of an array as they treat the rest.
_MATRIX_PRODUCTS = {"Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"}
_CONVOLUTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"}
_SCALING = {"BatchNormalization", "InstanceNormalization", "QuantizeLinear", "DequantizeLinear", "Softmax"}
_ARITHMETIC = {
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Mod",
    "Neg",
    "Abs",
    "Sqrt",
    "Reciprocal",
    "Min",
    "Max",
    "Clip",
    "Round",
    "Floor",
}
_FUNCTIONS = {"Exp", "Erf", "Tanh", "Sigmoid", "HardSigmoid", "Relu", "LeakyRelu", "PRelu"}
_COMPARISONS = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Not", "Where", "ArgMax"}
_MOVES = {"Identity", "Cast", "Concat", "Split", "Slice", "Gather", "Expand", "Tile", "Pad", "Transpose", "OneHot"}
_SHAPES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Constant", "ConstantOfShape", "Range", "If"}
_IMAGES = {"Resize", "Upsample", "DepthToSpace", "SpaceToDepth"}
_ALIKE = frozenset().union(
    _MATRIX_PRODUCTS, _CONVOLUTIONS, _SCALING, _ARITHMETIC, _FUNCTIONS, _COMPARISONS, _MOVES, _SHAPES, _IMAGES
)
# The floats of the widest vector registers: in a multiple of so many rows nothing is left over.
_WIDEST_VECTOR = 16


def smallest_batch(graph: onnx.GraphProto) -> int:
    """Returns the least batch size in which a sample has the same bits as in batches of 16 and more: 1 or 16."""
    parts = list(with_subgraphs(graph))
    last_axis = {
        tensor.name for part in parts for tensor in part.initializer if numpy_helper.to_array(tensor).tolist() == [-1]
    }
    alike = all(node.op_type in _ALIKE or _adds_up_rows(node, last_axis) for part in parts for node in part.node)
    return 1 if alike and not _has_doubles(parts) and _weights_are_constant(parts) else _WIDEST_VECTOR


def _adds_up_rows(node: onnx.NodeProto, last_axis: Container[str]) -> bool:
    """Tells whether a node adds up what lies side by side: each of its sums is then computed by itself."""
    return node.op_type == "ReduceSum" and len(node.input) > 1 and node.input[1] in last_axis


def _has_doubles(parts: Sequence[onnx.GraphProto]) -> bool:
    """Tells whether a number may be of 64 bits: only the functions of 32 bits treat what is left over alike."""
    values = [value.type.tensor_type.elem_type for part in parts for value in (*part.input, *part.output)]
    tensors = [tensor.data_type for part in parts for tensor in part.initializer]
    nodes = [node for part in parts for node in part.node if node.op_type in ("Cast", "Constant", "ConstantOfShape")]
    made = [a.i if a.name == "to" else a.t.data_type for node in nodes for a in node.attribute]
    return TensorProto.DOUBLE in (*values, *tensors, *made)


def _weights_are_constant(parts: Sequence[onnx.GraphProto]) -> bool:
    """Tells whether the second factor of each matrix product is: with others, a single row takes a way of its own."""
    constants = {tensor.name for part in parts for tensor in part.initializer}
    constants |= {name for part in parts for node in part.node if node.op_type == "Constant" for name in node.output}
    products = [node for part in parts for node in part.node if node.op_type in _MATRIX_PRODUCTS]
    return all(_weight(node) in constants for node in products)


def _weight(node: onnx.NodeProto) -> str:
    """Returns the name of a product's second factor; quantised ones give scale and zero point in between."""
    return node.input[3 if node.op_type.startswith("QLinear") else 1]


def with_subgraphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yields a graph and, depth first, those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            nested = [attribute.g] if attribute.HasField("g") else attribute.graphs
            for part in nested:
                yield from with_subgraphs(part)
