"""Batch sizes that give a sample the same bits: what is said of each operator, and what ONNX Runtime does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import dense_generator, metadata, model_of, session

from synthmill.learning.graph.batching import smallest_batch
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.compose import compose
from synthmill.learning.graph.wrap import wrap_foreign

F32, I64 = np.float32, np.int64
SAMPLES = 192
FLAT, ODD, PICTURE = (64,), (7,), (3, 5, 5)
ALL_SHAPES = ((1,), (3,), ODD, (13,), PICTURE)

Build = Callable[[GraphBuilder, np.random.Generator, tuple[int, ...]], str]
"""Adds nodes that take "x" of [N, *shape]; returns the name of their output."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A piece of a graph.

    Attributes:
        build: makes it.
        shapes: shapes of a sample to try it with.
    """

    build: Build
    shapes: tuple[tuple[int, ...], ...] = ALL_SHAPES


def one(operator: str, *constants: object, dtype: type = F32, **attributes: object) -> Build:
    """An operator on x and numbers."""

    def build(builder, rng, shape):
        return builder.add(operator, "x", *(builder.constant(each, dtype) for each in constants), **attributes)

    return build


def with_weights(operator: str, **attributes: object) -> Build:
    """An operator on x and as many weights as a sample has numbers."""

    def build(builder, rng, shape):
        return builder.add(operator, "x", builder.constant(rng.standard_normal(shape), F32), **attributes)

    return build


def compared(operator: str) -> Build:
    """A comparison of x with weights, as numbers."""

    def build(builder, rng, shape):
        found = with_weights(operator)(builder, rng, shape)
        return builder.cast(found, F32)

    return build


def logical(operator: str) -> Build:
    """A logical operator on two comparisons, or on one."""

    def build(builder, rng, shape):
        left = builder.add("Less", "x", builder.constant(0.3, F32))
        right = [builder.add("Greater", "x", builder.constant(-0.3, F32))] if operator != "Not" else []
        return builder.cast(builder.add(operator, left, *right), F32)

    return build


def product(operator: str, width: int, transposed: bool = False, made: str = "") -> Build:
    """A matrix product with weights.

    Args:
        operator: "MatMul" or "Gemm".
        width: size of the result.
        transposed: whether the weights are.
        made: how the weights come: "" as constants, "computed" from x, "dequantised" from bytes.
    """

    def build(builder, rng, shape):
        size = (width, shape[-1]) if transposed else (shape[-1], width)
        weights = builder.constant(rng.standard_normal(size), F32)
        if made == "computed":
            bounds = [builder.constant(bound, I64) for bound in ([0, 0], [1, 1])]
            nothing = builder.add("Mul", builder.add("Slice", "x", *bounds), builder.constant(0.0, F32))
            weights = builder.add("Add", weights, nothing)
        if made == "dequantised":
            stored = builder.constant(rng.integers(-127, 127, size), np.int8)
            weights = builder.add("DequantizeLinear", stored, builder.constant(0.01, F32), builder.constant(0, np.int8))
        return builder.add(operator, "x", weights, **({"transB": 1} if transposed else {}))

    return build


def convolution(operator: str, kernel: int, group: int = 1, dequantised: bool = False, **attributes: object) -> Build:
    """A convolution of pictures."""

    def build(builder, rng, shape):
        channels = shape[0]
        size = (channels, channels // group, kernel, kernel)
        weights = builder.constant(rng.standard_normal(size), F32)
        if dequantised:
            stored = builder.constant(rng.integers(-127, 127, size), np.int8)
            weights = builder.add("DequantizeLinear", stored, builder.constant(0.01, F32), builder.constant(0, np.int8))
        return builder.add(operator, "x", weights, group=group, **attributes)

    return build


def normalised(operator: str, constants: int) -> Build:
    """A normalisation by channel."""

    def build(builder, rng, shape):
        values = [builder.constant(np.abs(rng.standard_normal(shape[0])) + 0.1, F32) for _ in range(constants)]
        return builder.add(operator, "x", *values)

    return build


def quantised(builder, rng, shape):
    scale, zero = builder.constant(0.03, F32), builder.constant(128, np.uint8)
    return builder.add("DequantizeLinear", builder.add("QuantizeLinear", "x", scale, zero), scale, zero)


def gathered(builder, rng, shape):
    table = builder.constant(rng.standard_normal((shape[0], 5)), F32)
    return builder.add("Gather", table, builder.add("ArgMax", "x", axis=1, keepdims=0), axis=0)


def one_hot(builder, rng, shape):
    values = builder.constant([0.25, 0.75], F32)
    return builder.add("OneHot", builder.add("ArgMax", "x", axis=1), builder.constant(shape[0], I64), values)


def bent(builder, rng, shape):
    negative = builder.add("Less", "x", builder.constant(0.0, F32))
    return builder.add("Where", negative, builder.add("Neg", "x"), "x")


def split(builder, rng, shape):
    return builder.add_many("Split", "x", builder.constant([3, 4], I64), outputs=2, axis=1)[1]


def resized(mode: str, *scales: float) -> Build:
    def build(builder, rng, shape):
        return builder.add("Resize", "x", "", builder.constant([1, 1, *scales], F32), mode=mode)

    return build


def gelu(builder, rng, shape):
    erf = builder.add("Erf", builder.add("Div", "x", builder.constant(2**0.5, F32)))
    return builder.add("Mul", "x", builder.add("Add", erf, builder.constant(1.0, F32)))


def swish(builder, rng, shape):
    return builder.add("Mul", "x", builder.add("Sigmoid", "x"))


def chain(*builds: Build) -> Build:
    """Pieces one after the other; each but the first takes the last one's output in the place of x."""

    def build(builder, rng, shape):
        name = "x"
        for each in builds:
            before = len(builder.nodes)
            made = each(builder, rng, shape)
            for node in builder.nodes[before:]:
                node.input[:] = [name if value == "x" else value for value in node.input]
            name = made
        return name

    return build


PICTURES = (PICTURE, (16, 8, 8), (8, 4, 4))
ALIKE = {
    **{
        name: Case(one(name))
        for name in ("Exp", "Erf", "Tanh", "Sigmoid", "HardSigmoid", "Relu", "LeakyRelu", "Identity")
    },
    **{name: Case(one(name)) for name in ("Neg", "Abs", "Reciprocal", "Round", "Floor", "Flatten")},
    **{name: Case(with_weights(name)) for name in ("Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu")},
    **{name: Case(compared(name)) for name in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")},
    **{name: Case(logical(name)) for name in ("And", "Or", "Not")},
    "Sqrt": Case(chain(one("Abs"), one("Sqrt"))),
    "Clip": Case(one("Clip", -0.5, 0.5)),
    "Mod": Case(one("Mod", 0.7, fmod=1)),
    "Where": Case(bent),
    "Cast": Case(chain(one("Cast", to=TensorProto.FLOAT16), one("Cast", to=TensorProto.FLOAT))),
    "Concat": Case(lambda builder, rng, shape: builder.add("Concat", "x", "x", axis=1)),
    "Split": Case(split, (ODD,)),
    "Slice": Case(one("Slice", [1], [3], [1], dtype=I64), (ODD, PICTURE)),
    "Gather and ArgMax": Case(gathered, ((3,), ODD, (13,))),
    "OneHot": Case(one_hot, ((3,), ODD)),
    "Tile": Case(one("Tile", [1, 3], dtype=I64), ((3,), ODD)),
    "Expand": Case(
        lambda builder, rng, shape: builder.add(
            "Expand", builder.add("Unsqueeze", "x", builder.constant([2], I64)), builder.constant([1, 1, 4], I64)
        ),
        ((3,), ODD),
    ),
    "Squeeze": Case(chain(one("Unsqueeze", [1], dtype=I64), one("Squeeze", [1], dtype=I64))),
    "Pad": Case(one("Pad", [0, 1, 0, 2], dtype=I64), ((3,), ODD)),
    "Transpose": Case(one("Transpose", perm=[0, 2, 3, 1]), PICTURES),
    "Reshape": Case(one("Reshape", [-1, 5, 15], dtype=I64), (PICTURE,)),
    "Softmax": Case(one("Softmax", axis=1)),
    "ReduceSum of what lies side by side": Case(
        one("ReduceSum", [-1], dtype=I64), (*ALL_SHAPES, FLAT, (300,), (4, 4), (16, 16), (64, 64))
    ),
    "QuantizeLinear and DequantizeLinear": Case(quantised),
    "BatchNormalization": Case(normalised("BatchNormalization", 4), (ODD, *PICTURES)),
    "InstanceNormalization": Case(normalised("InstanceNormalization", 2), PICTURES),
    "Resize nearest": Case(resized("nearest", 2, 2), PICTURES),
    "Resize linear": Case(resized("linear", 1.7, 2.3), PICTURES),
    "Resize cubic": Case(resized("cubic", 2, 2), PICTURES),
    "DepthToSpace": Case(one("DepthToSpace", blocksize=2), ((16, 8, 8),)),
    "SpaceToDepth": Case(one("SpaceToDepth", blocksize=2), ((16, 8, 8),)),
    "MatMul": Case(product("MatMul", 17), ((1,), ODD, FLAT, (100,), (4, 9))),
    "MatMul, narrow": Case(product("MatMul", 1), ((1,), ODD, FLAT, (300,))),
    "Gemm": Case(product("Gemm", 33), ((1,), ODD, FLAT, (100,))),
    "Gemm with transposed weights": Case(product("Gemm", 33, transposed=True), ((1,), ODD, FLAT, (100,))),
    "Conv": Case(convolution("Conv", 3, pads=[1, 1, 1, 1]), PICTURES),
    "Conv 1x1": Case(convolution("Conv", 1), PICTURES),
    "Conv by channel": Case(convolution("Conv", 3, group=8, pads=[1, 1, 1, 1]), ((8, 4, 4),)),
    "Conv with dequantised weights": Case(convolution("Conv", 3, dequantised=True, pads=[1, 1, 1, 1]), PICTURES),
    "ConvTranspose": Case(convolution("ConvTranspose", 4, strides=[2, 2]), PICTURES),
    "Gelu, which is fused": Case(gelu),
    "Swish, which is fused": Case(swish),
    "Conv, BatchNormalization and Relu, which are fused": Case(
        chain(convolution("Conv", 3, pads=[1, 1, 1, 1]), normalised("BatchNormalization", 4), one("Relu")), PICTURES
    ),
    "quantised Conv, which is fused": Case(
        chain(quantised, convolution("Conv", 3, dequantised=True, pads=[1, 1, 1, 1]), quantised), PICTURES
    ),
}
NOT_ALIKE = {
    **{name: Case(one(name)) for name in ("Softplus", "Elu", "Selu", "Celu", "Sin", "Cos", "Softsign", "LogSoftmax")},
    "Log": Case(chain(one("Abs"), one("Log"))),
    "Pow": Case(chain(one("Abs"), one("Pow", 2.5))),
    "ReduceMean": Case(one("ReduceMean", axes=[1]), ((3,), (7, 4, 4), PICTURE)),
    "ReduceSum": Case(one("ReduceSum", [1], dtype=I64), ((3,), (7, 4, 4), PICTURE)),
    "AveragePool": Case(one("AveragePool", kernel_shape=[2, 2]), PICTURES),
    "MatMul with computed weights": Case(product("MatMul", 17, made="computed"), (ODD, FLAT, (100,))),
    "Gemm with computed weights": Case(product("Gemm", 17, True, "computed"), (ODD, FLAT, (100,))),
    "Gemm with dequantised weights": Case(product("Gemm", 17, True, "dequantised"), (ODD, FLAT, (100,))),
}
# Those of ONNX Runtime's operators of 64 bits that this file knows to differ.
DOUBLES = {name: Case(one(name)) for name in ("Exp", "Tanh", "Sigmoid")} | {"Softmax": Case(one("Softmax", axis=1))}


def model(case: Case, shape: tuple[int, ...], data_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Makes a model of a case for samples of a shape."""
    builder = GraphBuilder("case")
    made = case.build(builder, np.random.default_rng(len(shape) * 1000 + shape[0]), shape)
    inputs = [helper.make_tensor_value_info("x", data_type, ["N", *shape])]
    return model_of(builder, inputs, [helper.make_empty_tensor_value_info(made)])


def outputs_by_batch(
    found: onnx.ModelProto, shape: tuple[int, ...], sizes: list[int], dtype: type = F32
) -> list[bytes]:
    """Runs the same samples in batches of each size."""
    runner = session(found)
    samples = (np.random.default_rng(1).standard_normal((SAMPLES, *shape)) * 3).astype(dtype)
    return [
        b"".join(
            runner.run(None, {"x": samples[first : first + size]})[0].tobytes() for first in range(0, SAMPLES, size)
        )
        for size in sizes
    ]


@pytest.mark.parametrize("name", ALIKE)
def test_operator_that_is_called_alike_is(name):
    case = ALIKE[name]
    for shape in case.shapes:
        found = model(case, shape)
        assert smallest_batch(found.graph) == 1
        whole, *others = outputs_by_batch(found, shape, [64, 1, 2, 3, 5, 16])
        assert [other == whole for other in others] == [True] * 5, shape


@pytest.mark.parametrize("name", NOT_ALIKE)
def test_other_operators_are_alike_from_batches_of_16(name):
    case = NOT_ALIKE[name]
    for shape in case.shapes:
        found = model(case, shape)
        assert smallest_batch(found.graph) == 16
        whole, *others = outputs_by_batch(found, shape, [64, 16, 192])
        assert [other == whole for other in others] == [True] * 2, shape


@pytest.mark.parametrize("name", DOUBLES)
def test_functions_of_64_bits_are_alike_from_batches_of_16(name):
    for shape in ALL_SHAPES:
        found = model(DOUBLES[name], shape, TensorProto.DOUBLE)
        assert smallest_batch(found.graph) == 16
        whole, *others = outputs_by_batch(found, shape, [64, 16, 192], np.float64)
        assert [other == whole for other in others] == [True] * 2, shape


@pytest.mark.parametrize("name", ["Exp", "Tanh", "Sigmoid", "Softmax", "LeakyRelu", "MatMul"])
def test_numbers_of_16_bits_are_alike(name):
    build = ALIKE[name].build
    for shape in (ODD, (13,)):
        builder = GraphBuilder("case")
        made = build(builder, np.random.default_rng(1), shape)
        for tensor in builder.initializers:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N", *shape])]
        found = model_of(builder, inputs, [helper.make_empty_tensor_value_info(made)])
        assert smallest_batch(found.graph) == 1
        whole, *others = outputs_by_batch(found, shape, [64, 1, 2, 3, 5], np.float16)
        assert [other == whole for other in others] == [True] * 4, shape


def test_operator_inside_a_branch_counts():
    builder = GraphBuilder("outer")
    branches = []
    for operator in ("Relu", "Softplus"):
        nodes = [helper.make_node(operator, ["x"], [f"{operator}_out"])]
        branch_outputs = [helper.make_tensor_value_info(f"{operator}_out", TensorProto.FLOAT, None)]
        branches.append(helper.make_graph(nodes, operator, [], branch_outputs))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    for second, expected in ((branches[0], 1), (branches[1], 16)):
        condition = builder.constant(True, np.bool_)
        node = helper.make_node("If", [condition], ["y"], then_branch=branches[0], else_branch=second)
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])]
        graph = helper.make_graph([node], "g", inputs, outputs, builder.initializers)
        assert smallest_batch(graph) == expected


def with_softplus(generator: onnx.ModelProto) -> onnx.ModelProto:
    """Puts a Softplus in the place of a generator's first Tanh."""
    for node in generator.graph.node:
        if node.op_type == "Tanh":
            node.op_type = "Softplus"
            return generator
    raise AssertionError("there is no Tanh")


@pytest.mark.parametrize("doubles", [False, True])
def test_composed_graph_says_which_batches_are_safe(doubles):
    latent_type = TensorProto.DOUBLE if doubles else TensorProto.FLOAT
    for change, expected in ((lambda generator: generator, 16 if doubles else 1), (with_softplus, 16)):
        generator = change(dense_generator(8, 4, latent_type=latent_type))
        found = check_graph(compose(generator, metadata(), latent="z", label=None).SerializeToString()).metadata
        assert found.smallest_batch == expected


def test_wrapped_graph_says_which_batches_are_safe():
    for change, expected in ((lambda generator: generator, 1), (with_softplus, 16)):
        generator = change(dense_generator(8, 4, finished=False))
        wrapped = wrap_foreign(generator.SerializeToString(), kind="image", parameters={"range": [-1, 1]})
        assert check_graph(wrapped.SerializeToString()).metadata.smallest_batch == expected
