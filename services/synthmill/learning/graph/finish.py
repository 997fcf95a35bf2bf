"""Adds the nodes that turn a generator's raw output into a finished column."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import BATCH_AXIS
from synthmill.learning.graph.trace import value_range
from synthmill.learning.graph.untrusted import extents
from synthmill.learning.graph.wrap_options import LAYOUTS, WrapOptions
from synthmill.runtime.errors import BadGraph, InvalidField

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_CHANNELS = (1, 3)


def add_finish(
    builder: GraphBuilder, graph: onnx.GraphProto, output: onnx.ValueInfoProto, options: WrapOptions, column: str
) -> tuple[onnx.ValueInfoProto, dict[str, Any]]:
    """Finishes an output: a sample of three axes becomes uint8 [height, width, channels], any other stays as it is.

    Args:
        builder: receives the nodes.
        graph: the generator.
        output: one of its outputs.
        options: shape, layout and range, as far as they are known.
        column: name of the finished column.

    Returns:
        The finished output, and the schema of its samples.

    Raises:
        BadGraph: the output's extents are not fixed.
        InvalidField: an option does not fit, or is needed.
    """
    name, data_type = output.name, output.type.tensor_type.elem_type
    shape = _sample_shape(output)
    if options.shape:
        if np.prod(options.shape) != np.prod(shape):
            raise InvalidField("parameters.shape", options.shape, f"{np.prod(shape)} elements, as the output has")
        shape = options.shape
        name = builder.add("Reshape", name, builder.constant([-1, *shape], np.int64))
    if len(shape) == 3:
        bounds = _level_bounds(graph, output, options)
        name, shape = _add_channels_last(builder, name, shape, options)
        name, data_type = _add_levels(builder, name, bounds), TensorProto.UINT8
        schema: dict[str, Any] = dict(zip(("height", "width", "channels"), shape, strict=True))
    elif options.layout or options.range:
        raise InvalidField("parameters.shape", shape, "three axes, when layout or range is given")
    else:
        schema = {"shape": list(shape)}
    builder.add("Identity", name, output=column)
    return helper.make_tensor_value_info(column, data_type, [BATCH_AXIS, *shape]), schema


def _sample_shape(output: onnx.ValueInfoProto) -> tuple[int, ...]:
    _, *shape = extents(output.type.tensor_type) or [None]
    if not all(shape):
        raise BadGraph(f"the extents of the output {output.name!r} after the first are not fixed: {shape}")
    return tuple(int(extent or 0) for extent in shape)


def _level_bounds(
    graph: onnx.GraphProto, output: onnx.ValueInfoProto, options: WrapOptions
) -> tuple[float, ...] | None:
    """Returns the values of the darkest and the brightest level, None if the output has its 256 levels already."""
    data_type = output.type.tensor_type.elem_type
    if data_type == TensorProto.UINT8:
        if options.range:
            raise InvalidField("parameters.range", options.range, "nothing: the output is uint8 already")
        return None
    if data_type not in _FLOATS:
        raise InvalidField("parameters.output", output.name, "an output of floats or uint8")
    bounds = options.range or value_range(graph, output.name)
    if not bounds:
        raise InvalidField("parameters.range", "", "the values of black and white: the graph does not say them")
    return bounds


def _add_channels_last(
    builder: GraphBuilder, name: str, shape: tuple[int, ...], options: WrapOptions
) -> tuple[str, tuple[int, ...]]:
    # The layouts whose channel axis has a plausible extent.
    fitting = [layout for layout in LAYOUTS if shape[layout.index("C") - 1] in _CHANNELS]
    layout = options.layout or (fitting[0] if len(fitting) == 1 else "")
    if not layout:
        raise InvalidField("parameters.layout", "", f"{' or '.join(LAYOUTS)} for samples of shape {list(shape)}")
    if layout not in fitting:
        raise InvalidField("parameters.layout", layout, f"a layout with 1 or 3 channels for samples of {list(shape)}")
    if layout == "NHWC":
        return name, shape
    channels, height, width = shape
    return builder.add("Transpose", name, perm=[0, 2, 3, 1]), (height, width, channels)


def _add_levels(builder: GraphBuilder, name: str, bounds: tuple[float, ...] | None) -> str:
    if bounds is None:
        return name
    low, high = bounds
    zero, top = builder.constant(0, np.float32), builder.constant(255, np.float32)
    above = builder.add("Sub", builder.cast(name, np.float32), builder.constant(low, np.float32))
    levels = builder.add("Mul", above, builder.constant(255 / (high - low), np.float32))
    return builder.cast(builder.add("Clip", builder.add("Round", levels), zero, top), np.uint8)
