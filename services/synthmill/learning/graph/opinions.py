"""Adds to a sampler graph what it holds of its own samples: networks that take finished columns and the label."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference, version_converter

from synthmill.learning.graph.batching import smallest_batch
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import BATCH_AXIS, LABEL, free_inputs, prepare_generator, rename_values
from synthmill.learning.graph.metadata import read_metadata, with_metadata
from synthmill.learning.graph.trace import constant_values
from synthmill.runtime.errors import BadGraph


def add_opinion(sampler: onnx.ModelProto, name: str, network: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a sampler graph with one more output, an opinion of each sample.

    The nodes that make the columns stay what they are, and so do the samples.

    Args:
        sampler: a sampler graph; it is not changed.
        name: of the opinion.
        network: its inputs are named after the columns that they take, or "label"; its one output is float32 [N].

    Raises:
        BadGraph: the network does not fit the sampler graph.
    """
    opset = max(map(_opset, (sampler, network)))
    result, body = _raised(sampler, opset), _raised(prepare_generator(network), opset)
    taken = list(free_inputs(body.graph))
    _check_fits(result.graph, body.graph, name)
    sum_side_by_side(body)
    rename_values(body.graph, {**dict(zip(taken, taken, strict=True)), body.graph.output[0].name: name}, f"{name}/")
    for part in ("node", "initializer", "sparse_initializer"):
        getattr(result.graph, part).extend(getattr(body.graph, part))
    result.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH_AXIS]))
    metadata = read_metadata(sampler)
    return with_metadata(
        result,
        opinions=(*metadata.opinions, name),
        smallest_batch=max(metadata.smallest_batch, smallest_batch(body.graph)),
    )


def sum_side_by_side(model: onnx.ModelProto) -> None:
    """Has sums over the last axes of an array add up one axis, the last.

    ONNX Runtime computes each of these by itself; of other sums, some numbers depend on how many there are.
    """
    graph = model.graph
    known = shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*known.input, *known.value_info)
        if value.type.tensor_type.HasField("shape")
    }
    constants = constant_values(graph)
    builder = GraphBuilder("sums")
    nodes = []
    for node in graph.node:
        count = _last_axes(node, ranks, constants)
        if count > 1:
            shape = builder.constant([*[0] * (ranks[node.input[0]] - count), -1], np.int64)
            node.input[0] = builder.add("Reshape", node.input[0], shape)
            nodes.append(builder.nodes[-1])
        if count:
            node.input[1] = builder.constant([-1], np.int64)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(builder.initializers)


def _last_axes(node: onnx.NodeProto, ranks: dict[str, int], constants: dict[str, np.ndarray]) -> int:
    """Returns how many axes a node sums over, if they are the last ones of its input and it drops them; else 0."""
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type != "ReduceSum" or attributes.get("keepdims", 1) or len(node.input) < 2:
        return 0
    rank, axes = ranks.get(node.input[0], 0), constants.get(node.input[1])
    if not rank or axes is None:
        return 0
    summed = sorted(int(axis) % rank for axis in axes)
    # The first axis counts the samples.
    return len(summed) if 0 < len(summed) < rank and summed == list(range(rank - len(summed), rank)) else 0


def _opset(model: onnx.ModelProto) -> int:
    return {entry.domain: entry.version for entry in model.opset_import}.get("", 0)


def _raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Copies a model, at another opset."""
    if _opset(model) < opset:
        try:
            return version_converter.convert_version(model, opset)
        except (RuntimeError, ValueError) as error:
            raise BadGraph(f"opset {_opset(model)} cannot be converted to {opset}: {error}") from None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _check_fits(sampler: onnx.GraphProto, network: onnx.GraphProto, name: str) -> None:
    made = {value.name: value.type.tensor_type.elem_type for value in sampler.output}
    given = made | {value.name: value.type.tensor_type.elem_type for value in sampler.input if value.name == LABEL}
    for taken, tensor in free_inputs(network).items():
        if given.get(taken) != tensor.elem_type:
            raise BadGraph(f"the network takes {taken!r}; the sampler graph has {', '.join(given)}, or of another type")
    outputs = [value.type.tensor_type for value in network.output]
    if len(outputs) != 1 or outputs[0].elem_type != TensorProto.FLOAT or len(outputs[0].shape.dim) != 1:
        raise BadGraph("the network must have one output, float of [N]")
    if name in given:
        raise BadGraph(f"the sampler graph has {name!r} already", value=name)
