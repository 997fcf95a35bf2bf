"""Turns a generator from elsewhere into a sampler graph: a latent vector in, optionally a label, one tensor out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import BATCH_AXIS, compose, free_inputs, prepare_generator
from synthmill.learning.graph.finish import add_finish
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.trace import class_count
from synthmill.learning.graph.untrusted import extents, parse_untrusted
from synthmill.learning.graph.wrap_options import WrapOptions
from synthmill.runtime.errors import InvalidField

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)
_ADAPTED_LABEL = "wrap/label"


def wrap_foreign(
    data: bytes,
    *,
    kind: str,
    labels: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    lineage: Mapping[str, Any] | None = None,
    license: str = "",
) -> onnx.ModelProto:
    """Makes a sampler graph from the bytes of a foreign ONNX generator.

    Args:
        data: an ONNX file.
        kind: kind of its samples; also the name of the finished column unless the parameters give one.
        labels: class names in the order of the label input; empty means "0", "1", ... if it has one.
        parameters: fields of `WrapOptions` by name; what is missing is inferred where the graph leaves no doubt.
        lineage: where the generator comes from, as JSON.
        license: its licence.

    Raises:
        BadGraph: the file breaks the rules for sampler graphs.
        InvalidField: a parameter does not fit the graph, or is needed because the graph leaves a doubt.
    """
    options = WrapOptions.parse(parameters or {})
    generator = prepare_generator(parse_untrusted(data))
    graph = generator.graph
    latent, label = _find_inputs(graph, options)
    names = _label_names(graph, label, labels)
    output = _find_output(graph, options)

    builder = GraphBuilder("wrap")
    if label:
        _add_label_adapter(builder, graph, label, len(names))
    adapters = len(builder.nodes)
    finished, schema = add_finish(builder, graph, output, options, column=options.column or kind)
    _insert(graph, builder, adapters)
    del graph.output[:]
    graph.output.append(finished)
    metadata = GraphMetadata(
        kind=kind, schema=schema, labels=names, family="imported", lineage=lineage or {}, license=license
    )
    return compose(generator, metadata, latent=latent, label=_ADAPTED_LABEL)


def _find_inputs(graph: onnx.GraphProto, options: WrapOptions) -> tuple[str, str | None]:
    """Returns the names of the latent input and of the label input, None if there is none."""
    inputs = free_inputs(graph)
    for field in ("latent", "label"):
        given = getattr(options, field)
        if given and given not in inputs:
            raise InvalidField(f"parameters.{field}", given, "an input of the graph: " + ", ".join(inputs))
    rest = [name for name in inputs if name not in (options.latent, options.label)]
    floats = [name for name in rest if inputs[name].elem_type in _FLOATS]
    latent = options.latent or (floats[0] if len(floats) == 1 else "")
    if not latent:
        raise InvalidField("parameters.latent", "", "one of the inputs " + ", ".join(inputs))
    others = [name for name in inputs if name not in (latent, options.label)]
    if len(others) > (0 if options.label else 1):
        raise InvalidField("parameters.label", options.label, "a graph of one latent and at most one label input")
    return latent, options.label or (others[0] if others else None)


def _label_names(graph: onnx.GraphProto, label: str | None, labels: Sequence[str]) -> tuple[str, ...]:
    if label is None:
        if labels:
            raise InvalidField("labels", list(labels), "no labels: the graph takes none")
        return ()
    count = class_count(graph, label, free_inputs(graph)[label])
    if not labels and count is None:
        raise InvalidField("labels", [], "a name for each class: the graph does not say how many there are")
    if labels and count not in (None, len(labels)):
        raise InvalidField("labels", list(labels), f"{count} names, one for each class of the graph")
    if len(set(labels)) != len(labels):
        raise InvalidField("labels", list(labels), "distinct names")
    return tuple(labels) or tuple(map(str, range(count or 0)))


def _find_output(graph: onnx.GraphProto, options: WrapOptions) -> onnx.ValueInfoProto:
    outputs = {value.name: value for value in graph.output}
    name = options.output or (next(iter(outputs)) if len(outputs) == 1 else "")
    if name not in outputs:
        raise InvalidField("parameters.output", name, "one of the outputs " + ", ".join(outputs))
    return outputs[name]


def _add_label_adapter(builder: GraphBuilder, graph: onnx.GraphProto, label: str, classes: int) -> None:
    """Adds a label input of int64 [N] and the nodes that turn it into what the generator takes."""
    tensor = free_inputs(graph)[label]
    trailing = len(tensor.shape.dim) - 1
    value = _ADAPTED_LABEL
    if tensor.elem_type in _FLOATS:
        # Of float32 whatever the generator takes: ONNX Runtime has no other OneHot.
        value = builder.add("OneHot", value, builder.constant(classes, np.int64), builder.constant([0, 1], np.float32))
        trailing -= 1
    elif tensor.elem_type not in _INTEGERS:
        raise InvalidField("parameters.label", label, "an input of integers [N], or of floats [N, classes]")
    if trailing > 0:
        shape = [extent or -1 for extent in extents(tensor)]
        value = builder.add("Reshape", value, builder.constant([-1, *shape[1:]], np.int64))
    builder.add("Cast", value, output=label, to=tensor.elem_type)
    kept = [value for value in graph.input if value.name != label]
    del graph.input[:]
    graph.input.extend(kept)
    graph.input.append(helper.make_tensor_value_info(_ADAPTED_LABEL, TensorProto.INT64, [BATCH_AXIS]))


def _insert(graph: onnx.GraphProto, builder: GraphBuilder, adapters: int) -> None:
    nodes = [*builder.nodes[:adapters], *graph.node, *builder.nodes[adapters:]]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(builder.initializers)
