"""Probe and critic in the graph: right to rounding, and the same bits in a batch of any size."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from synthmill.kinds.registry import get_kind
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.export import export_sampler
from synthmill.learning.filtering.networks import Confidence, Score, add_network, restore_critic
from synthmill.learning.filtering.task import FilteringTask, resolve
from synthmill.learning.graph.check import GraphInfo, check_graph
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.runtime.errors import BadData, Internal

LEARNING = get_kind("image").learning()
LABELS = ("cat", "dog", "fox")
# Folded, and odd, so that all the layers are there that an image can need.
SCHEMA = {"height": 18, "width": 17, "channels": 3}
GIVEN = {"width": 4, "discriminator_width": 4, "latent_size": 5}
PARAMETERS = hyper_parameters("image", "gan", GIVEN).resolve(SCHEMA)
COLUMNS = ["image"]


@pytest.fixture(scope="module")
def graph() -> bytes:
    torch.manual_seed(1)
    generator = LEARNING.generator(SCHEMA, len(LABELS), PARAMETERS).eval()
    metadata = GraphMetadata("image", SCHEMA, LABELS, "gan")
    return export_sampler(generator, LEARNING, COLUMNS, PARAMETERS.latent_size, metadata)


@pytest.fixture(scope="module")
def info(graph) -> GraphInfo:
    return check_graph(graph)


@pytest.fixture(scope="module")
def judging(graph, info) -> bytes:
    torch.manual_seed(2)
    confidence = Confidence(LEARNING.probe(SCHEMA, len(LABELS)), LEARNING, COLUMNS)
    return add_network(graph, "confidence", confidence, info)


def task(folder: Path, weights: dict[str, torch.Tensor] | None, **parameters: object) -> FilteringTask:
    path = folder / "weights.safetensors"
    if weights is not None:
        save_file(weights, path)
    card = {"parameters": dataclasses.asdict(PARAMETERS) | parameters}
    return FilteringTask(
        version="models/m/versions/1",
        digest="0" * 64,
        graph=folder / "sampler.onnx",
        card=card,
        weights=path if weights is not None else None,
        dataset="datasets/d/versions/1",
        train={},
        validation={},
        parameters=resolve({}),
    )


def critic_weights(critic: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {f"discriminator.{name}": tensor.contiguous() for name, tensor in critic.state_dict().items()}


def test_samples_stay_and_the_confidence_is_the_probability_of_the_sample_s_own_label(graph, info, judging):
    feeds = make_feeds(len(LABELS), 3, 0, 40)
    [image] = open_session(graph, 1).run(["image"], feeds)
    same, confidence = open_session(judging, 1).run(["image", "confidence"], feeds)
    assert same.tobytes() == image.tobytes()
    torch.manual_seed(2)
    probe = LEARNING.probe(SCHEMA, len(LABELS)).eval()
    with torch.no_grad():
        probabilities = F.softmax(probe(LEARNING.to_input({"image": torch.from_numpy(image)})), dim=1).numpy()
    np.testing.assert_allclose(confidence, probabilities[np.arange(40), feeds["label"]], atol=1e-5)
    assert check_graph(judging).columns == info.columns


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_the_critic_is_restored_as_the_training_left_it(info, tmp_path, spectral_norm):
    parameters = dataclasses.replace(PARAMETERS, spectral_norm=spectral_norm)
    critic = LEARNING.discriminator(SCHEMA, len(LABELS), parameters)
    image = torch.randint(0, 256, (9, 18, 17, 3), dtype=torch.uint8)
    x, label = LEARNING.to_input({"image": image}), torch.arange(9) % 3
    # A step of its own, so that the spectral norm's vectors are not those of the beginning.
    critic.train()(x, label)
    restored = restore_critic(task(tmp_path, critic_weights(critic), spectral_norm=spectral_norm), info)
    with torch.no_grad():
        torch.testing.assert_close(restored(x, label), critic.eval()(x, label))


def test_the_score_is_the_same_bits_in_a_batch_of_any_size(judging, info, tmp_path):
    critic = LEARNING.discriminator(SCHEMA, len(LABELS), PARAMETERS)
    restored = restore_critic(task(tmp_path, critic_weights(critic)), info)
    made = add_network(judging, "score", Score(restored, LEARNING, COLUMNS), info)
    checked = check_graph(made)
    assert checked.metadata.opinions == ("confidence", "score")
    assert checked.metadata.smallest_batch == 1
    runner = open_session(made, 1)
    whole = runner.run(None, make_feeds(3, 0, 0, 32))
    for row in (0, 5, 31):
        alone = runner.run(None, make_feeds(3, 0, row, 1))
        assert [column[0].tobytes() for column in alone] == [column[row].tobytes() for column in whole]


def test_there_is_no_critic_where_its_weights_are_not_kept(info, tmp_path):
    assert restore_critic(task(tmp_path, None), info) is None
    assert restore_critic(task(tmp_path, {"generator.x": torch.zeros(1)}), info) is None


def test_weights_of_another_critic_are_refused(info, tmp_path):
    other = dataclasses.replace(PARAMETERS, discriminator_width=8)
    weights = critic_weights(LEARNING.discriminator(SCHEMA, len(LABELS), other))
    with pytest.raises(BadData, match="do not fit the network"):
        restore_critic(task(tmp_path, weights), info)
    broken = task(tmp_path, weights)
    broken.weights.write_bytes(b"no weights")
    with pytest.raises(BadData, match="cannot be read"):
        restore_critic(broken, info)


class Fickle(Confidence):
    """Says something else where it is exported."""

    def judge(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        found = super().judge(x, label)
        return found / 2 if torch.compiler.is_exporting() else found


def test_an_opinion_that_is_not_the_network_s_is_not_let_through(graph, info):
    with pytest.raises(Internal, match="differs from the network's"):
        add_network(graph, "confidence", Fickle(LEARNING.probe(SCHEMA, len(LABELS)), LEARNING, COLUMNS), info)


def test_a_file_has_all_its_data_inside_and_standard_operators_alone(judging):
    model = onnx.load_from_string(judging)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert not model.functions
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties["synthmill.opinions"]) == ["confidence"]
