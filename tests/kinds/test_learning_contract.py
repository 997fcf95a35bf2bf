"""What training and export rely on in every kind and family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinds.samples import CASES, KindCase

from synthmill.kinds import parameters as kind_parameters
from synthmill.kinds.base import CollectLimits, Item, Learning, Record
from synthmill.runtime.errors import BadData, FailedPrecondition

FAMILIES = [
    pytest.param(case, family, id=f"{name}-{family}")
    for name, case in CASES.items()
    for family in case.kind.hyper_parameters
]
LABEL_COUNTS = pytest.mark.parametrize("label_count", [0, 3], ids=["unconditional", "conditional"])
BATCH = 6


class Parts:
    """A kind's learning side, set up for a small batch of its own records."""

    def __init__(self, case: KindCase, folder) -> None:
        kind = case.kind
        parameters = kind_parameters.parse(kind.import_parameters, {})
        found = kind.collect(case.write_source(folder), case.label_from, CollectLimits())
        items = [item for item in found if isinstance(item, Item)]
        self.schema = kind.resolve_schema(parameters, items)
        outcomes = [kind.decode(item, self.schema, parameters) for item in items]
        records = [outcome.columns for outcome in outcomes if isinstance(outcome, Record)][:BATCH]
        self.columns = kind.columns(self.schema)
        self.batch = {name: np.stack([record[name] for record in records]) for name in self.columns}
        self.learning: Learning = kind.learning()
        self.x = self.learning.to_input({name: torch.from_numpy(array) for name, array in self.batch.items()})


def labels(label_count: int) -> torch.Tensor | None:
    return torch.arange(BATCH) % label_count if label_count else None


def has_gradients(module: torch.nn.Module) -> bool:
    return all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters() if p.requires_grad)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def parts(case: KindCase, tmp_path) -> Parts:
    return Parts(case, tmp_path)


def test_input_is_a_float_tensor_with_the_records_along_the_first_axis(parts):
    assert parts.x.dtype == torch.float32
    assert parts.x.shape[0] == BATCH
    assert parts.x.abs().max() < 10


def test_decode_is_the_inverse_of_the_input(parts):
    decoded = parts.learning.decode(parts.x)
    assert list(decoded) == list(parts.columns)
    for name, (dtype, shape) in parts.columns.items():
        column = decoded[name].numpy()
        assert (column.dtype, column.shape) == (dtype, (BATCH, *shape))
        np.testing.assert_allclose(column, parts.batch[name], rtol=1e-5)


def test_reconstruction_is_least_for_the_target_itself(parts):
    own = parts.learning.reconstruction(parts.x, parts.x)
    other = parts.learning.reconstruction(parts.x.flip(0), parts.x)
    assert own.shape == (BATCH,)
    assert (own < other).all()


def test_augmentation_without_a_policy_changes_nothing(parts):
    draws = torch.rand(BATCH, parts.learning.augment_draws)
    assert torch.equal(parts.learning.augment(parts.x, "none", draws), parts.x)


@LABEL_COUNTS
@pytest.mark.parametrize(("case", "family"), FAMILIES)
def test_generator_makes_what_the_discriminator_and_the_decoder_take(case, family, label_count, tmp_path):
    parts = Parts(case, tmp_path)
    parameters = case.kind.hyper_parameters[family]().resolve(parts.schema)
    generator = parts.learning.generator(parts.schema, label_count, parameters)
    output = generator(torch.randn(BATCH, parameters.latent_size), labels(label_count))
    assert output.shape == parts.x.shape
    assert torch.isfinite(output).all()
    decoded = parts.learning.decode(output.detach())
    assert {name: tuple(column.shape[1:]) for name, column in decoded.items()} == {
        name: shape for name, (_, shape) in parts.columns.items()
    }
    output.square().sum().backward()
    assert has_gradients(generator)


@LABEL_COUNTS
@pytest.mark.parametrize(("case", "family"), [param for param in FAMILIES if param.values[1] == "gan"])
def test_discriminator_gives_a_logit_each_and_a_gradient_back(case, family, label_count, tmp_path):
    parts = Parts(case, tmp_path)
    parameters = case.kind.hyper_parameters[family]().resolve(parts.schema)
    discriminator = parts.learning.discriminator(parts.schema, label_count, parameters)
    x = parts.x.clone().requires_grad_()
    logits = discriminator(x, labels(label_count))
    assert logits.shape == (BATCH,)
    logits.sum().backward()
    assert x.grad.abs().sum() > 0


@LABEL_COUNTS
@pytest.mark.parametrize(("case", "family"), [param for param in FAMILIES if param.values[1] == "vae"])
def test_encoder_gives_mean_and_log_variance_of_the_latent_vector(case, family, label_count, tmp_path):
    parts = Parts(case, tmp_path)
    parameters = case.kind.hyper_parameters[family]().resolve(parts.schema)
    encoder = parts.learning.encoder(parts.schema, label_count, parameters)
    mean, log_variance = encoder(parts.x, labels(label_count))
    assert mean.shape == log_variance.shape == (BATCH, parameters.latent_size)
    (mean.sum() + log_variance.sum()).backward()
    assert has_gradients(encoder)


@LABEL_COUNTS
@pytest.mark.parametrize(("case", "family"), FAMILIES)
def test_generator_is_restored_from_its_weights(case, family, label_count, tmp_path):
    parts = Parts(case, tmp_path)
    parameters = case.kind.hyper_parameters[family]().resolve(parts.schema)
    generator = parts.learning.generator(parts.schema, label_count, parameters).eval()
    weights = generator.state_dict()
    restored = parts.learning.restore_generator(parts.schema, label_count, parameters, weights)
    z = torch.randn(BATCH, parameters.latent_size)
    assert not restored.training
    assert torch.equal(restored(z, labels(label_count)), generator(z, labels(label_count)))
    with pytest.raises(BadData):
        parts.learning.restore_generator(parts.schema, label_count, parameters, dict(list(weights.items())[:-1]))


@LABEL_COUNTS
@pytest.mark.parametrize(("case", "family"), FAMILIES)
def test_channels_are_removed_as_told_or_not_at_all(case, family, label_count, tmp_path):
    parts = Parts(case, tmp_path)
    parameters = case.kind.hyper_parameters[family]().resolve(parts.schema)
    weights = parts.learning.generator(parts.schema, label_count, parameters).state_dict()
    try:
        scores = parts.learning.channel_scores(weights)
    except FailedPrecondition:
        with pytest.raises(FailedPrecondition):
            parts.learning.keep_channels(weights, {})
        return
    assert all((values >= 0).all() for values in scores.values())
    kept = {group: torch.arange(0, len(values), 2) for group, values in scores.items()}
    narrow = parts.learning.keep_channels(weights, kept)
    found = {group: len(values) for group, values in parts.learning.channel_scores(narrow).items()}
    assert found == {group: len(positions) for group, positions in kept.items()}
    generator = parts.learning.restore_generator(parts.schema, label_count, parameters, narrow)
    output = generator(torch.randn(BATCH, parameters.latent_size), labels(label_count))
    assert output.shape == parts.x.shape
    assert torch.isfinite(output).all()


def test_probe_gives_a_logit_per_class_and_learns_from_all_of_its_weights(parts):
    probe = parts.learning.probe(parts.schema, 3)
    logits = probe(parts.x)
    assert logits.shape == (BATCH, 3)
    torch.nn.functional.cross_entropy(logits, torch.arange(BATCH) % 3).backward()
    assert has_gradients(probe)


def test_last_of_the_layers_of_a_probe_are_its_logits(parts):
    probe = parts.learning.probe(parts.schema, 3)
    *layers, logits = probe.layers(parts.x)
    assert layers
    assert all(len(layer) == BATCH for layer in layers)
    torch.testing.assert_close(logits, probe(parts.x))
