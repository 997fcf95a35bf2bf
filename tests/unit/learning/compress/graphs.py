"""Sampler graphs to compress: of our own networks, and of generators from elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn
from unit.graph.generators import dense_generator, model_of

from synthmill.kinds.registry import get_kind
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.compress.parts import split
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.export import export_sampler
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.wrap import wrap_foreign

LATENT = 6
LABELS = ("a", "b", "c")
SCHEMA = {"height": 16, "width": 16, "channels": 1}
KIND = get_kind("image")


def image_generator(labels: tuple[str, ...] = LABELS, width: int = 8, contrast: float = 1.0) -> nn.Module:
    """Makes a generator for 16 x 16 whose weights and statistics are not those of the start."""
    parameters = hyper_parameters("image", "gan", {"latent_size": LATENT, "width": width}).resolve(SCHEMA)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = KIND.learning().generator(SCHEMA, len(labels), parameters)
        with torch.no_grad():
            for tensor in generator.parameters():
                tensor += 0.1 * torch.randn_like(tensor)
            for z in torch.randn(20, 32, LATENT):
                generator(z, torch.arange(32) % len(labels) if labels else None)
            generator.to_image.weight *= contrast
    return generator.eval()


def image_graph(labels: tuple[str, ...] = LABELS, width: int = 8, contrast: float = 1.0) -> bytes:
    """Exports an `image_generator`."""
    metadata = GraphMetadata("image", SCHEMA, labels, "gan", {"dataset": "datasets/x/versions/1"}, "MIT")
    return export_sampler(image_generator(labels, width, contrast), KIND.learning(), ["image"], LATENT, metadata)


def dense_graph() -> bytes:
    """Wraps a generator that is a matrix product and a tanh."""
    return wrap_foreign(dense_generator(finished=False).SerializeToString(), kind="image").SerializeToString()


def transposed_graph() -> bytes:
    """Wraps a generator that is one transposed convolution."""
    builder = GraphBuilder("g")
    picture = builder.add("Reshape", "z", builder.constant([-1, 2, 4, 4], np.int64))
    weights = builder.constant(np.random.default_rng(0).standard_normal((2, 1, 2, 2)), np.float32)
    grown = builder.add("ConvTranspose", picture, weights, strides=[2, 2], kernel_shape=[2, 2])
    builder.add("Tanh", grown, output="picture")
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 32])]
    outputs = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 8, 8])]
    return wrap_foreign(model_of(builder, inputs, outputs).SerializeToString(), kind="image").SerializeToString()


def weightless_graph() -> bytes:
    """Wraps a generator without any weights."""
    builder = GraphBuilder("g")
    builder.add("Tanh", "z", output="numbers")
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])]
    outputs = [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", 4])]
    return wrap_foreign(model_of(builder, inputs, outputs).SerializeToString(), kind="tensor").SerializeToString()


def draw(graph: bytes, count: int, labels: tuple[str, ...] = LABELS, start: int = 0, **more: np.ndarray) -> np.ndarray:
    """Draws the samples of seed 9 from an index on, as numbers that can be subtracted."""
    feeds = make_feeds(len(labels), 9, start, count)
    return open_session(graph, threads=1).run(None, feeds | more)[0].astype(np.int64)


def untouched(graph: bytes, like: bytes) -> list[tuple]:
    """Returns what the nodes do that are noise or finish in the graph `like`: no method may change that."""
    model = onnx.load_from_string(like)
    noise = {node.name for node in model.graph.node if node.name.startswith("noise/")}
    finish = {node.name for node in split(model.graph).finish}
    found = {node.name: node for node in onnx.load_from_string(graph).graph.node}
    # The first node of the finish may read its value under another name.
    return [
        (name, node.op_type, list(node.output), list(node.input) if name in noise else [], str(node.attribute))
        for name in sorted(noise | finish)
        for node in [found[name]]
    ]
