"""Averaged weights follow the trained ones, and get batch statistics of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from synthmill.learning.ema import Ema, recompute_batch_statistics


class Conditional(nn.Module):
    """A generator with batch normalisation, as small as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        return self.norm(self.layer(z))


def set_weights(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def test_first_update_forgets_the_start():
    source = nn.Linear(1, 1)
    set_weights(source, 0.0)
    ema = Ema(source, 0.99)
    set_weights(source, 1.0)
    ema.update(0)
    assert ema.module.weight.item() == 1


@pytest.mark.parametrize("steps", [100, 10_000])
def test_average_looks_back_over_the_same_share_of_any_run(steps):
    source = nn.Linear(1, 1)
    ema = Ema(source, 0.9999)
    for step in range(steps):
        set_weights(source, step / steps)
        ema.update(step)
    assert ema.module.weight.item() == pytest.approx(1 - 1 / 18, abs=0.01)


def test_later_updates_keep_the_share_that_was_asked_for():
    source = nn.Linear(1, 1)
    set_weights(source, 0.0)
    ema = Ema(source, 0.99)
    set_weights(source, 1.0)
    ema.update(10_000_000)
    assert ema.module.weight.item() == pytest.approx(0.01)


def test_averages_are_apart_from_what_is_trained():
    source = nn.Linear(1, 1)
    ema = Ema(source, 0.5)
    before = ema.module.weight.clone()
    set_weights(source, 7.0)
    assert torch.equal(ema.module.weight, before)
    assert not any(parameter.requires_grad for parameter in ema.module.parameters())
    assert not ema.module.training


def test_buffers_are_the_last_ones():
    source = Conditional()
    ema = Ema(source, 0.9)
    source(torch.randn(8, 2) + 5, None)
    ema.update(0)
    assert torch.equal(ema.module.norm.running_mean, source.norm.running_mean)


def test_recomputed_statistics_are_those_of_the_module_itself():
    module = Conditional()
    module.norm.running_mean.fill_(99)
    batches = [(torch.randn(16, 2), None) for _ in range(3)]
    recompute_batch_statistics(module, batches)
    activations = [module.layer(z).detach() for z, _ in batches]
    torch.testing.assert_close(module.norm.running_mean, torch.stack([a.mean(0) for a in activations]).mean(0))
    torch.testing.assert_close(module.norm.running_var, torch.stack([a.var(0) for a in activations]).mean(0))
    assert not module.training
    assert module.norm.momentum == 0.1
