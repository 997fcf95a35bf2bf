"""Channels that contribute nothing can go without a trace; of the others the least go first."""

from __future__ import annotations

import pytest
import torch
from unit.learning.compress import graphs

from synthmill.kinds.base import Learning
from synthmill.learning.compress.prune import choose_channels, prune_weights
from synthmill.learning.configuration import hyper_parameters
from synthmill.runtime.errors import BadData, FailedPrecondition

LEARNING = graphs.KIND.learning()
LABELLED = pytest.mark.parametrize("labels", [graphs.LABELS, ()], ids=["conditional", "unconditional"])


def restore(weights, labels):
    parameters = hyper_parameters("image", "gan", {"latent_size": graphs.LATENT, "width": 8})
    return LEARNING.restore_generator(graphs.SCHEMA, len(labels), parameters.resolve(graphs.SCHEMA), weights)


def sample(generator, labels):
    z = torch.randn(12, graphs.LATENT, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return generator(z, torch.arange(12) % len(labels) if labels else None)


@LABELLED
def test_channels_that_nothing_reads_go_without_a_trace(labels):
    generator = graphs.image_generator(labels)
    weights = generator.state_dict()
    idle = {
        "level_2": ("blocks.0.conv.weight", [0, 5, 6, 12, 17, 20, 30, 31]),
        "level_1": ("blocks.1.conv.weight", [2, 3, 8, 15]),
        "level_0": ("to_image.weight", [1, 7]),
    }
    for reader, channels in idle.values():
        weights[reader][:, channels] = 0
    generator.load_state_dict(weights)
    pruned, counts = prune_weights(LEARNING, weights, 0.25)
    assert counts == {"level_2": [32, 24], "level_1": [16, 12], "level_0": [8, 6]}
    torch.testing.assert_close(sample(restore(pruned, labels), labels), sample(generator, labels), rtol=0, atol=1e-5)


def test_the_best_channels_stay_in_their_order():
    kept = choose_channels({"g": torch.tensor([3.0, 0.5, 9.0, 1.0])}, 0.5)
    assert kept["g"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("count", "share", "left"), [(128, 0.25, 96), (64, 0.3, 48), (32, 0.9, 8), (16, 0.3, 11), (3, 0.9, 1)]
)
def test_wide_layers_keep_whole_blocks_and_no_layer_vanishes(count, share, left):
    assert len(choose_channels({"g": torch.rand(count)}, share)["g"]) == left


@LABELLED
def test_a_generator_is_restored_from_its_weights_alone(labels):
    generator = graphs.image_generator(labels)
    pruned, _ = prune_weights(LEARNING, generator.state_dict(), 0.5)
    assert torch.equal(sample(restore(generator.state_dict(), labels), labels), sample(generator, labels))
    again, counts = prune_weights(LEARNING, pruned, 0.5)
    assert counts == {"level_2": [16, 8], "level_1": [8, 4], "level_0": [4, 2]}
    assert sample(restore(again, labels), labels).isfinite().all()


@pytest.mark.parametrize("gone", ["to_image.bias", "stem.weight", "blocks.1.norm.norm.running_mean"])
def test_weights_of_another_network_are_refused(gone):
    weights = graphs.image_generator().state_dict()
    del weights[gone]
    with pytest.raises(BadData, match="weights"):
        restore(weights, graphs.LABELS)


def test_networks_that_say_nothing_of_channels_are_refused():
    class Plain(Learning):
        pass

    Plain.__abstractmethods__ = frozenset()
    with pytest.raises(FailedPrecondition, match="cannot be pruned"):
        prune_weights(Plain(), {}, 0.5)
