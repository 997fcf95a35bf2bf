"""Tells the parts of a sampler graph from each other: noise, body and finish."""

from __future__ import annotations

import dataclasses

import onnx

from synthmill.learning.graph.batching import with_subgraphs
from synthmill.runtime.errors import FailedPrecondition

NOISE_PREFIX = "noise/"
WEIGHTED = frozenset(["Conv", "ConvTranspose", "Gemm", "MatMul"])
_REDUCED = frozenset(["QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"])


@dataclasses.dataclass(frozen=True)
class Parts:
    """The nodes of a sampler graph behind its noise, by what they are for.

    Attributes:
        body: those that a layer with weights depends on, and these layers themselves.
        finish: those after the last such layer: what bounds, rounds and arranges the samples.
    """

    body: list[onnx.NodeProto]
    finish: list[onnx.NodeProto]

    @property
    def weighted(self) -> list[onnx.NodeProto]:
        """The layers with weights."""
        return [node for node in self.body if node.op_type in WEIGHTED]


def names_read(node: onnx.NodeProto) -> set[str]:
    """Returns the names of the values that a node reads, those that graphs inside it take from around them included."""
    names = set(node.input)
    for attribute in node.attribute:
        for nested in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            for part in with_subgraphs(nested):
                names.update(name for inner in part.node for name in inner.input)
                names.update(output.name for output in part.output)
    return names


def split(graph: onnx.GraphProto) -> Parts:
    """Divides a sampler graph.

    Raises:
        FailedPrecondition: it has no layer with weights, so that there is nothing to compress.
    """
    needed: set[str] = set()
    body: list[onnx.NodeProto] = []
    finish: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if node.name.startswith(NOISE_PREFIX):
            continue
        if node.op_type in WEIGHTED or needed.intersection(node.output):
            needed.update(names_read(node))
            body.append(node)
        else:
            finish.append(node)
    if not any(node.op_type in WEIGHTED for node in body):
        raise FailedPrecondition("the sampler graph has no layer with weights, there is nothing to compress")
    return Parts(body[::-1], finish[::-1])


def require_float32(model: onnx.ModelProto) -> None:
    """Makes sure that a sampler graph is as its maker published it.

    Raises:
        FailedPrecondition: it was compressed already.
    """
    half = onnx.TensorProto.FLOAT16
    if any(node.op_type in _REDUCED for node in model.graph.node) or any(
        tensor.data_type == half for tensor in model.graph.initializer
    ):
        raise FailedPrecondition(
            "the sampler graph has reduced precision already; name a version in float32", field="model"
        )
