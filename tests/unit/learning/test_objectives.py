"""Losses have the values that their papers' equations give."""

from __future__ import annotations

import math

import pytest
import torch

from synthmill.kinds.families import OBJECTIVES
from synthmill.learning.objectives import (
    ADVERSARIAL,
    divergence_from_prior,
    feature_distance,
    gradient_penalty,
    negative_elbo,
)

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-1.5, 0.0])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_there_is_a_loss_for_every_objective():
    assert set(ADVERSARIAL) == set(OBJECTIVES)


def test_non_saturating():
    loss = ADVERSARIAL["non_saturating"]
    of_real = (-math.log(sigmoid(2.0)) - math.log(sigmoid(0.5))) / 2
    of_fake = (-math.log(1 - sigmoid(-1.5)) - math.log(1 - sigmoid(0.0))) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(of_real + of_fake)
    expected = (-math.log(sigmoid(-1.5)) - math.log(sigmoid(0.0))) / 2
    assert loss.generator(FAKE, None).item() == pytest.approx(expected)


def test_hinge():
    loss = ADVERSARIAL["hinge"]
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx((0 + 0.5) / 2 + (0 + 1) / 2)
    assert loss.generator(FAKE, None).item() == pytest.approx(0.75)


def test_relativistic():
    loss = ADVERSARIAL["relativistic"]
    expected = (-math.log(sigmoid(3.5)) - math.log(sigmoid(0.5))) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected)
    expected = (-math.log(sigmoid(-3.5)) - math.log(sigmoid(-0.5))) / 2
    assert loss.generator(FAKE, REAL).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_generator_and_discriminator_pull_the_fake_logits_apart(name):
    loss = ADVERSARIAL[name]
    fake = FAKE.clone().requires_grad_()
    (for_discriminator,) = torch.autograd.grad(loss.discriminator(REAL, fake), fake)
    (for_generator,) = torch.autograd.grad(loss.generator(fake, REAL), fake)
    assert (for_discriminator >= 0).all()
    assert for_discriminator.sum() > 0
    assert (for_generator < 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_of_huge_logits_are_finite(name):
    loss = ADVERSARIAL[name]
    huge = torch.tensor([1e5, -1e5])
    assert torch.isfinite(loss.discriminator(huge, -huge))
    assert torch.isfinite(loss.generator(huge, -huge))


def test_gradient_penalty_of_a_plane_is_half_its_squared_slope():
    slope = torch.tensor([3.0, -4.0], requires_grad=True)
    x = torch.randn(5, 2, requires_grad=True)
    penalty = gradient_penalty(x @ slope, x)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()
    assert slope.grad.tolist() == pytest.approx([3.0, -4.0])


def test_divergence_of_the_prior_from_itself_is_zero():
    assert divergence_from_prior(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


def test_divergence_is_that_of_torch():
    mean, log_variance = torch.randn(4, 3), torch.randn(4, 3)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence_from_prior(mean, log_variance), expected)


def test_elbo_weighs_the_divergence_and_gives_some_of_it_for_nothing():
    reconstruction = torch.tensor([10.0, 20.0])
    divergence = torch.tensor([[0.1, 1.0], [0.3, 3.0]])
    assert negative_elbo(reconstruction, divergence, beta=1.0, free_bits=0.0).item() == pytest.approx(15 + 0.2 + 2)
    assert negative_elbo(reconstruction, divergence, beta=0.5, free_bits=0.5).item() == pytest.approx(15 + 0.25 + 1)


def test_feature_distance_is_a_share_of_what_is_there():
    target = [torch.tensor([[3.0, 4.0]]), torch.tensor([[[10.0]]])]
    output = [torch.tensor([[3.0, 9.0]]), torch.tensor([[[8.0]]])]
    strength = [layer.square().mean() for layer in target]
    # A half of 25 over a half of 25, and 4 over 100.
    assert feature_distance(output, target, strength).item() == pytest.approx((1 + 0.04) / 2)
    assert feature_distance(target, target, strength).item() == 0
