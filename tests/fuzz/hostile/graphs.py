"""ONNX files that reach outside, run code of their own, never end, or take all memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import onnx
from fuzz.hostile.case import Case
from onnx import AttributeProto, TensorProto, helper
from unit.graph.generators import dense_generator

Change = Callable[[onnx.ModelProto], object]

_LATENT = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 16])]
_PICTURE = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 4, 4])]
_TALL = 2**62
# Numbers of the fields that graphs are nested by.
_MODEL_GRAPH, _NODE, _ATTRIBUTE, _GRAPH = 7, 1, 5, 6


def changed(change: Change) -> bytes:
    """Returns a generator as users bring it, with one thing changed."""
    model = dense_generator(finished=False)
    change(model)
    return model.SerializeToString()


def outside(location: str) -> Change:
    """Moves the weights of a generator to another file."""

    def change(model: onnx.ModelProto) -> None:
        weights = model.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "512")):
            weights.external_data.add(key=key, value=value)

    return change


def outside_in_an_attribute(model: onnx.ModelProto) -> None:
    """Adds a constant whose value is in another file."""
    tensor = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["secret"], value=tensor))


def foreign(model: onnx.ModelProto) -> None:
    """Adds an operator of another domain."""
    model.opset_import.add(domain="com.example", version=1)
    model.graph.node.insert(0, helper.make_node("Run", [], ["ran"], domain="com.example"))


def foreign_without_a_word(model: onnx.ModelProto) -> None:
    """Adds an operator of ONNX Runtime's own, whose domain the file does not announce."""
    model.graph.node.insert(0, helper.make_node("Inverse", ["z"], ["ran"], domain="com.microsoft"))


def hidden_subgraph(model: onnx.ModelProto) -> None:
    """Adds an attribute that says it is a number, and has a graph with a foreign operator in it."""
    graph = helper.make_graph([helper.make_node("Run", [], ["ran"], domain="com.example")], "hidden", [], [])
    model.graph.node[0].attribute.append(AttributeProto(name="hidden", type=AttributeProto.INT, i=1, g=graph))


def circle(model: onnx.ModelProto) -> None:
    """Makes the first node wait for the last one."""
    model.graph.node[0].input[0] = model.graph.output[0].name


def deep(levels: int) -> bytes:
    """Returns a generator with an If in an If in an If ..."""
    other = helper.make_graph([helper.make_node("Identity", ["z"], ["other"])], "other", [], [_value("other")])
    graph = helper.make_graph([helper.make_node("Tanh", ["z"], ["inner"])], "inner", [], [_value("inner")])
    for level in range(levels):
        node = helper.make_node("If", ["yes"], [f"v{level}"], then_branch=graph, else_branch=other)
        graph = helper.make_graph([node], f"g{level}", [], [_value(f"v{level}")])
    return _model([*graph.node, helper.make_node("Reshape", [graph.output[0].name, "shape"], ["picture"])])


def buried(levels: int) -> bytes:
    """Returns a graph in an attribute of a node of a graph in ..., deeper than a reader of messages goes."""
    data = b""
    for number in (_NODE, *(_GRAPH, _ATTRIBUTE, _NODE) * levels, _MODEL_GRAPH):
        data = bytes([number << 3 | 2]) + varint(len(data)) + data
    return data


def varint(number: int) -> bytes:
    """Returns a number as messages have it."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def many_nodes(count: int) -> bytes:
    """Returns a generator that is very long."""
    names = ["z", *(f"v{number}" for number in range(count))]
    nodes = [helper.make_node("Tanh", [before], [after]) for before, after in itertools.pairwise(names)]
    return _model([*nodes, helper.make_node("Reshape", [names[-1], "shape"], ["picture"])])


def announced(dims: list[int]) -> Change:
    """Makes the weights of a generator say that they are larger than they are."""

    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    return change


def endless() -> bytes:
    """Returns a generator that goes round nearly for ever."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Tanh", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, ["n", 16]),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), _value("w")],
    )
    return _model(
        [
            helper.make_node("Loop", ["often", "yes", "z"], ["looped"], body=body),
            helper.make_node("Reshape", ["looped", "shape"], ["flat"]),
            helper.make_node("Tanh", ["flat"], ["picture"]),
        ]
    )


def greedy() -> bytes:
    """Returns a generator that takes 64 GiB, as only its run tells: how much depends on the latent vector."""
    return _model(
        [
            # Of no fixed size before the run: as many as the latent vector has numbers.
            helper.make_node("NonZero", ["z"], ["places"]),
            helper.make_node("Shape", ["places"], ["counts"], start=1),
            helper.make_node("Mul", ["counts", "factor"], ["size"]),
            helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Add", ["z", "zero"], ["sum"]),
            helper.make_node("Reshape", ["sum", "shape"], ["flat"]),
            helper.make_node("Tanh", ["flat"], ["picture"]),
        ]
    )


def huge_value() -> bytes:
    """Returns a generator with a value of 4 TiB."""
    return _model(
        [
            helper.make_node("ConstantOfShape", ["tall"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Add", ["z", "zero"], ["sum"]),
            helper.make_node("Reshape", ["sum", "shape"], ["flat"]),
            helper.make_node("Tanh", ["flat"], ["picture"]),
        ]
    )


def _model(nodes: list[onnx.NodeProto]) -> bytes:
    constants = [
        helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        helper.make_tensor("often", TensorProto.INT64, [], [_TALL]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 4, 4]),
        helper.make_tensor("factor", TensorProto.INT64, [1], [2**34 // (40 * 16)]),
        helper.make_tensor("tall", TensorProto.INT64, [1], [2**40]),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "generator", _LATENT, _PICTURE, [each for each in constants if each.name in used])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def _value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 16])


def case(make: Callable[[], bytes], told: str, reason: str = "BAD_GRAPH") -> Case:
    """Returns the case of a generator."""
    return Case("a.onnx", make, told, reason)


MALFORMED = {
    "onnx-with-data-beside-it": case(lambda: changed(outside("weights.bin")), "external data"),
    "onnx-with-data-above-it": case(lambda: changed(outside("../../../../etc/passwd")), "external data"),
    "onnx-with-data-in-an-attribute": case(lambda: changed(outside_in_an_attribute), "external data"),
    "onnx-of-a-foreign-domain": case(lambda: changed(foreign), "com.example"),
    "onnx-of-a-domain-that-is-not-announced": case(lambda: changed(foreign_without_a_word), "com.microsoft"),
    "onnx-with-a-hidden-graph": case(lambda: changed(hidden_subgraph), "com.example"),
    "onnx-in-a-circle": case(lambda: changed(circle), "not valid"),
    "onnx-of-buried-graphs": case(lambda: buried(200), "not an ONNX file"),
    "onnx-of-many-nodes": case(lambda: many_nodes(60_000), "nodes"),
    "onnx-of-weights-that-are-not-there": case(lambda: changed(announced([2**40, 16])), "not valid"),
    "onnx-of-weights-that-overflow": case(lambda: changed(announced([2**33, 2**33])), "not valid"),
    "onnx-of-weights-below-nothing": case(lambda: changed(announced([-8, -16])), "not valid"),
    "onnx-of-noise": case(lambda: bytes(range(256)) * 100, "not an ONNX file"),
    "onnx-of-nothing": case(lambda: b"\x08\x08", "no graph"),
}
"""Found out by their structure."""

BOMBS = {
    "onnx-with-data-of-the-machine": case(lambda: changed(outside("/etc/passwd")), "external data"),
    "onnx-of-deep-graphs": case(lambda: deep(12), "nested"),
    "onnx-of-a-huge-value": case(huge_value, "bytes"),
    "onnx-without-end": case(endless, "more than 2 s"),
    "onnx-without-bounds": case(greedy, "cannot be run"),
}
"""Small files that would take much, or what is not theirs."""
