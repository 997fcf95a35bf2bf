"""Small real ONNX generators and the means to run them, for tests of sampler graphs and of what serves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import compose
from synthmill.learning.graph.metadata import GraphMetadata, with_metadata
from synthmill.learning.graph.opinions import add_opinion

LABELS = ("circle", "square", "triangle")


def dense_generator(
    latent: int = 8,
    size: int = 4,
    labels: int = 0,
    *,
    finished: bool = True,
    latent_type: int = TensorProto.FLOAT,
    latent_shape: Sequence[int | str] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """Builds `pixels = tanh(z W + E[label])` for square grey pictures.

    Args:
        latent: size of z.
        size: height and width.
        labels: number of classes; zero makes it unconditional.
        finished: whether the output is uint8 [N, size, size, 1] as "image", or float [N, 1, size, size] in [-1, 1].
        latent_type: element type of z.
        latent_shape: shape of the latent input, if not [N, latent].
        opset: version of the operators.
    """
    rng = np.random.default_rng(latent * 1000 + size * 10 + labels)
    builder = GraphBuilder("dense")
    weights = builder.constant(rng.standard_normal((latent, size * size)), np.float32)
    flat = builder.add("Reshape", builder.cast("z", np.float32), builder.constant([-1, latent], np.int64))
    hidden = builder.add("MatMul", flat, weights)
    inputs = [helper.make_tensor_value_info("z", latent_type, latent_shape or ["batch", latent])]
    if labels:
        table = builder.constant(rng.standard_normal((labels, size * size)) * 3, np.float32)
        hidden = builder.add("Add", hidden, builder.add("Gather", table, "y", axis=0))
        inputs.append(helper.make_tensor_value_info("y", TensorProto.INT64, ["batch"]))
    picture = builder.add("Reshape", hidden, builder.constant([-1, 1, size, size], np.int64))
    if finished:
        levels = builder.add("Mul", builder.add("Tanh", picture), builder.constant(127.4, np.float32))
        shifted = builder.add("Round", builder.add("Add", levels, builder.constant(127.5, np.float32)))
        channels_last = builder.add("Transpose", shifted, perm=[0, 2, 3, 1])
        builder.add("Cast", channels_last, output="image", to=TensorProto.UINT8)
        output = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 1])
    else:
        builder.add("Tanh", picture, output="picture")
        output = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 1, size, size])
    return model_of(builder, inputs, [output], opset=opset)


def model_of(
    builder: GraphBuilder,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    *,
    opset: int = 17,
) -> onnx.ModelProto:
    """Makes a model of a builder's nodes and constants."""
    graph = helper.make_graph(builder.nodes, "generator", inputs, outputs, builder.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def metadata(labels: Sequence[str] = (), size: int = 4) -> GraphMetadata:
    """Returns metadata that fit a `dense_generator`."""
    return GraphMetadata(
        kind="image",
        schema={"height": size, "width": size, "channels": 1},
        labels=tuple(labels),
        family="gan",
        lineage={"dataset": "datasets/shapes/versions/1"},
        license="CC0-1.0",
    )


def sampler_graph(labels: Sequence[str] = (), *, latent: int = 8, size: int = 4) -> onnx.ModelProto:
    """Composes a `dense_generator` into a sampler graph."""
    generator = dense_generator(latent, size, len(labels))
    return compose(generator, metadata(labels, size), latent="z", label="y")


def corner_network(size: int = 4, opset: int = 17) -> onnx.ModelProto:
    """Builds a probe whose probability is known: that of a picture's own class is its first pixel divided by 255."""
    builder = GraphBuilder("corner")
    bounds = [builder.constant(bound, np.int64) for bound in ([0, 0, 0], [1, 1, 1], [1, 2, 3])]
    corner = builder.add("Slice", "image", *bounds)
    flat = builder.add("Reshape", builder.cast(corner, np.float32), builder.constant([-1], np.int64))
    builder.add("Div", flat, builder.constant(255, np.float32), output="probability")
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 1])]
    return model_of(builder, inputs, [_numbers("probability")], opset=opset)


def sum_network(size: int = 4, opset: int = 17) -> onnx.ModelProto:
    """Builds a critic whose score is known: the sum of a picture's pixels, and a thousand times its label."""
    builder = GraphBuilder("sum")
    axes = builder.constant([1, 2, 3], np.int64)
    pixels = builder.add("ReduceSum", builder.cast("image", np.float32), axes, keepdims=0)
    shift = builder.add("Mul", builder.cast("label", np.float32), builder.constant(1000, np.float32))
    builder.add("Add", pixels, shift, output="logit")
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 1]),
        helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
    ]
    return model_of(builder, inputs, [_numbers("logit")], opset=opset)


def judging_graph(labels: Sequence[str] = LABELS, *, latent: int = 8, **own: float) -> onnx.ModelProto:
    """Composes a `dense_generator` with both of these opinions.

    Args:
        labels: class names, at least one.
        latent: size of z.
        own: bounds of the graph's own filter.
    """
    graph = sampler_graph(labels, latent=latent)
    for name, network in (("confidence", corner_network()), ("score", sum_network())):
        graph = add_opinion(graph, name, network)
    return with_metadata(graph, filter=own)


def _numbers(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"])


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Runs a model on the CPU and returns its outputs."""
    return session(model).run(None, dict(feeds))


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Opens a model on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def draw(
    seed: int, index: Sequence[int] | np.ndarray, label: Sequence[int] | np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns the inputs of a sampler graph for some samples."""
    feeds = {"seed": np.array([seed], np.uint64), "index": np.asarray(index, np.int64)}
    return feeds if label is None else feeds | {"label": np.asarray(label, np.int64)}
