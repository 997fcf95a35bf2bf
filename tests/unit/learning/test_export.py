"""The exported graph does what the network does, and a graph that does not is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from synthmill.kinds.registry import get_kind
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.export import compare, export_sampler
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.runtime.errors import Internal

KIND = get_kind("image")
LATENT = 6


def make(height: int, width: int, channels: int, labels: tuple[str, ...]):
    """Returns a generator with weights and statistics that are not those of the start, and its graph."""
    schema = {"height": height, "width": width, "channels": channels}
    parameters = hyper_parameters("image", "gan", {"latent_size": LATENT, "width": 4}).resolve(schema)
    with torch.random.fork_rng():
        torch.manual_seed(height)
        generator = KIND.learning().generator(schema, len(labels), parameters)
        with torch.no_grad():
            for tensor in generator.parameters():
                tensor += 0.2 * torch.randn_like(tensor)
            for z in torch.randn(5, 32, LATENT):
                generator(z, torch.arange(32) % len(labels) if labels else None)
    metadata = GraphMetadata("image", schema, labels, "gan")
    return generator.eval(), export_sampler(generator, KIND.learning(), ["image"], LATENT, metadata)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((8, 8, 1), ("a", "b", "c")),
        ((32, 32, 3), ("a", "b")),
        ((13, 37, 3), ("only",)),
        ((64, 64, 1), ()),
    ],
    ids=["8x8-grey-3", "32x32-rgb-2", "13x37-rgb-1", "64x64-grey"],
)
def test_graph_and_network_agree(shape, labels):
    generator, graph = make(*shape, labels)
    info = check_graph(graph)
    assert info.columns == {"image": (np.dtype(np.uint8), shape)}
    assert (info.latent_size, info.conditional) == (LATENT, bool(labels))
    agreement = compare(graph, generator, KIND.learning(), LATENT, len(labels))
    assert agreement.max_difference <= 1
    assert agreement.differing_share <= 1e-3
    assert agreement.samples >= 256


def test_same_network_gives_the_same_bytes():
    assert make(8, 8, 1, ("a", "b"))[1] == make(8, 8, 1, ("a", "b"))[1]


def test_graph_says_nothing_of_the_machine_that_made_it():
    graph = make(8, 8, 1, ())[1]
    assert b".py" not in graph
    assert b"/site-packages" not in graph


def test_a_graph_that_differs_is_refused():
    generator, graph = make(8, 8, 1, ("a", "b"))
    model = onnx.load_from_string(graph)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(1.02), weights.name))
    with pytest.raises(Internal, match="differs from the network in column 'image'"):
        compare(model.SerializeToString(), generator, KIND.learning(), LATENT, 2)
