"""The random numbers of a step depend on seed and step alone, however many processes share them."""

from __future__ import annotations

import torch

from synthmill.learning.draws import Draws, Stream, derive_seed

CPU = torch.device("cpu")


def draws(seed: int = 1, step: int = 2, rows: slice = slice(None), batch_size: int = 6) -> Draws:
    return Draws(seed, step, rows, batch_size, CPU)


def test_a_step_has_the_same_numbers_whenever_it_is_asked():
    first = draws()
    torch.rand(5)
    second = draws()
    assert torch.equal(first.normal(3), second.normal(3))
    assert torch.equal(first.uniform(3), second.uniform(3))


def test_steps_and_seeds_have_numbers_of_their_own():
    assert not torch.equal(draws().normal(3), draws(step=3).normal(3))
    assert not torch.equal(draws().normal(3), draws(seed=2).normal(3))


def test_processes_share_out_the_numbers_of_one():
    whole, first, second = draws(), draws(rows=slice(0, 3)), draws(rows=slice(3, 6))
    for _ in range(2):
        assert torch.equal(torch.cat([first.normal(4), second.normal(4)]), whole.normal(4))


def test_numbers_have_the_distributions_that_they_are_named_for():
    many = draws(batch_size=20_000)
    normal, uniform = many.normal(2), many.uniform(2)
    assert normal.mean().abs() < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01


def test_derived_seeds_are_told_apart_and_fit_torch():
    streams = [(0, *stream) for stream in [(Stream.STEPS,), (Stream.STEPS, 0), (Stream.STEPS, 0, 0), (Stream.WEIGHTS,)]]
    seeds = {derive_seed(*parts) for parts in [*streams, (1, Stream.STEPS), (2**64 - 1, Stream.STEPS)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
