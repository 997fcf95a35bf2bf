"""Joins a generator with its noise into a sampler graph: seed and indices in, finished samples out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, version_converter

from synthmill.learning.graph import noise
from synthmill.learning.graph.batching import smallest_batch, with_subgraphs
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.runtime.errors import BadGraph

SEED, INDEX, LABEL, TRUNCATION = "seed", "index", "label", "truncation"
INPUT_NAMES = (SEED, INDEX, LABEL, TRUNCATION)

# ONNX Runtime 1.22, the oldest that is supported, reads these.
MIN_OPSET, MAX_OPSET = 17, 22
MAX_IR_VERSION = 10

BATCH_AXIS = "N"
# Of length 1 or N.
_SHARED_AXIS = "S"
_LATENT_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_PREFIX = "generator/"


def compose(
    generator: onnx.ModelProto, metadata: GraphMetadata, *, latent: str = "z", label: str | None = "label"
) -> onnx.ModelProto:
    """Makes a sampler graph from a generator.

    The result takes `seed` (uint64 [S]), `index` (int64 [N]), `label` (int64 [N]) if the generator has labels, and
    `truncation` (float32 [S] that scales the latent vector, 1 unless it is fed). S is 1 or N: one value for all
    samples, or one for each, so that requests of different seeds share a batch. The outputs are the generator's.

    Args:
        generator: takes the latent vector, float [N, D] or [N, D, 1, ...], and optionally labels, int64 [N]; its
            outputs are the finished columns, [N, ...]. It is not changed.
        metadata: what the result says about itself; the noise scheme and the latent size are filled in.
        latent: name of the generator's latent input.
        label: name of its label input; None, or the name of no input, if it has none.

    Raises:
        BadGraph: inputs, outputs or opset of the generator do not fit.
    """
    body = prepare_generator(generator)
    inputs = free_inputs(body.graph)
    latent_type, latent_shape = _check_latent(inputs, latent)
    conditional = _check_label(inputs, latent, label, metadata)
    _check_outputs(body.graph, inputs)

    names = {output.name: output.name for output in body.graph.output}
    if conditional:
        names[str(label)] = LABEL
    rename_values(body.graph, names, _PREFIX)

    size = math.prod(latent_shape)
    builder = GraphBuilder("noise")
    drawn = noise.add_noise(builder, SEED, INDEX, TRUNCATION, size)
    if len(latent_shape) > 1:
        drawn = builder.add("Reshape", drawn, builder.constant([-1, *latent_shape], np.int64))
    builder.add("Cast", drawn, output=_PREFIX + latent, to=latent_type)

    result = onnx.ModelProto(ir_version=MAX_IR_VERSION, producer_name="synthmill", opset_import=body.opset_import)
    result.graph.CopyFrom(_join(builder, body.graph, conditional))
    smallest = smallest_batch(body.graph)
    filled = dataclasses.replace(metadata, noise=noise.SCHEME, latent_size=size, smallest_batch=smallest)
    helper.set_model_props(result, filled.to_properties())
    return result


def prepare_generator(generator: onnx.ModelProto) -> onnx.ModelProto:
    """Copies a generator, without functions and at an opset that every supported runtime reads.

    Raises:
        BadGraph: the opset is too new, or too old to be converted.
    """
    opset = {entry.domain: entry.version for entry in generator.opset_import}.get("", 0)
    if opset > MAX_OPSET:
        raise BadGraph(f"opset {opset} is not supported, allowed: up to {MAX_OPSET}", value=opset)
    body = onnx.ModelProto()
    body.CopyFrom(inliner.inline_local_functions(generator) if generator.functions else generator)
    if opset < MIN_OPSET:
        try:
            body = version_converter.convert_version(body, MIN_OPSET)
        except (RuntimeError, ValueError) as error:
            raise BadGraph(f"opset {opset} cannot be converted to {MIN_OPSET}: {error}", value=opset) from None
    del body.opset_import[:]
    body.opset_import.append(helper.make_opsetid("", max(opset, MIN_OPSET)))
    return body


def free_inputs(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto.Tensor]:
    """Returns the types of the inputs that have no default, by name."""
    constants = {tensor.name for tensor in graph.initializer}
    return {value.name: value.type.tensor_type for value in graph.input if value.name not in constants}


def _check_latent(inputs: Mapping[str, onnx.TypeProto.Tensor], latent: str) -> tuple[int, list[int]]:
    """Returns element type and extents after the first axis of the latent input."""
    if latent not in inputs:
        raise BadGraph(f"the generator has no input {latent!r}; it has {', '.join(inputs) or 'none'}")
    batch, *rest = inputs[latent].shape.dim or [None]
    shape = [extent.dim_value for extent in rest]
    if inputs[latent].elem_type not in _LATENT_TYPES or not shape or min(shape) < 1:
        raise BadGraph(f"the latent input {latent!r} must be float [N, D] with a fixed D; after N it has {shape}")
    if batch.HasField("dim_value"):
        raise BadGraph(f"the latent input {latent!r} has a fixed batch of {batch.dim_value}; export it with a free one")
    if math.prod(shape) > noise.LATENT_LIMIT:
        raise BadGraph(f"the latent vector has {math.prod(shape)} dimensions, allowed: up to {noise.LATENT_LIMIT}")
    return inputs[latent].elem_type, shape


def _check_label(
    inputs: Mapping[str, onnx.TypeProto.Tensor], latent: str, label: str | None, metadata: GraphMetadata
) -> bool:
    """Returns whether the generator takes labels."""
    unknown = sorted(set(inputs) - {latent, label})
    if unknown:
        raise BadGraph(f"the generator has inputs that are neither latent vector nor label: {', '.join(unknown)}")
    conditional = label in inputs
    if conditional and (inputs[str(label)].elem_type != TensorProto.INT64 or len(inputs[str(label)].shape.dim) != 1):
        raise BadGraph(f"the label input {label!r} must be int64 [N]")
    if conditional != bool(metadata.labels):
        takes, named = ("labels", "none") if conditional else ("no label", str(len(metadata.labels)))
        raise BadGraph(f"the generator takes {takes}, and the metadata name {named}")
    return conditional


def _check_outputs(graph: onnx.GraphProto, inputs: Mapping[str, onnx.TypeProto.Tensor]) -> None:
    taken = sorted({output.name for output in graph.output} & {*INPUT_NAMES, *inputs})
    if taken:
        raise BadGraph(f"an output must not have the name of an input: {', '.join(taken)}")


def rename_values(graph: onnx.GraphProto, names: Mapping[str, str], prefix: str) -> None:
    """Renames values as told, moves all others into a namespace, and drops notes that may hold paths of a machine."""
    for part in with_subgraphs(graph):
        part.doc_string = ""
        part.ClearField("metadata_props")
        part.ClearField("value_info")
        tensors = [*part.initializer, *(sparse.values for sparse in part.sparse_initializer)]
        for value in [*part.input, *part.output, *tensors]:
            value.name = names.get(value.name, prefix + value.name)
            value.doc_string = ""
            value.ClearField("metadata_props")
        for position, node in enumerate(part.node):
            node.name = f"{prefix}{node.op_type}_{position}"
            node.doc_string = ""
            node.ClearField("metadata_props")
            # An empty name stands for an optional input or output that is left out.
            node.input[:] = [name and names.get(name, prefix + name) for name in node.input]
            node.output[:] = [name and names.get(name, prefix + name) for name in node.output]


def _join(builder: GraphBuilder, body: onnx.GraphProto, conditional: bool) -> onnx.GraphProto:
    inputs = [
        helper.make_tensor_value_info(SEED, TensorProto.UINT64, [_SHARED_AXIS]),
        helper.make_tensor_value_info(INDEX, TensorProto.INT64, [BATCH_AXIS]),
    ]
    if conditional:
        inputs.append(helper.make_tensor_value_info(LABEL, TensorProto.INT64, [BATCH_AXIS]))
    inputs.append(helper.make_tensor_value_info(TRUNCATION, TensorProto.FLOAT, [_SHARED_AXIS]))
    # An input with an initializer of the same name is optional: the initializer is its default.
    truncation = helper.make_tensor(TRUNCATION, TensorProto.FLOAT, [1], [1.0])
    for output in body.output:
        for axis in output.type.tensor_type.shape.dim[:1]:
            axis.dim_param = BATCH_AXIS
    return helper.make_graph(
        [*builder.nodes, *body.node],
        "sampler",
        inputs,
        body.output,
        [truncation, *builder.initializers, *body.initializer],
        sparse_initializer=body.sparse_initializer,
    )
