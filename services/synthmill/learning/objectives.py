"""Losses, each from its paper; kind-blind: they see logits, moments and costs per record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch.nn import functional as F


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """The two losses of a GAN, scalars to be minimised, from logits (B,).

    Attributes:
        discriminator: from real and fake logits.
        generator: from fake logits and, if `paired`, real ones; else None in their place.
        paired: whether the generator's loss looks at the real logits.
    """

    discriminator: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    generator: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
    paired: bool = False


def _non_saturating_discriminator(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """-log D(x) - log(1 - D(G(z))) with D = sigmoid(logit): Goodfellow et al., arXiv 1406.2661, equation 1."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _non_saturating_generator(fake: torch.Tensor, real: None) -> torch.Tensor:
    """-log D(G(z)): arXiv 1406.2661, end of section 3."""
    return F.softplus(-fake).mean()


def _hinge_discriminator(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): Lim and Ye, arXiv 1705.02894; arXiv 1802.05957, equation 16."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _hinge_generator(fake: torch.Tensor, real: None) -> torch.Tensor:
    """-D(G(z)): arXiv 1802.05957, equation 17."""
    return -fake.mean()


def _relativistic_discriminator(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """-log sigmoid(D(x) - D(G(z))): Jolicoeur-Martineau, arXiv 1807.00734; R3GAN, arXiv 2501.05441, equation 2."""
    return F.softplus(fake - real).mean()


def _relativistic_generator(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """-log sigmoid(D(G(z)) - D(x)): arXiv 2501.05441, equation 2, from the generator's side."""
    return F.softplus(real - fake).mean()


ADVERSARIAL: Mapping[str, AdversarialLoss] = MappingProxyType(
    {
        "non_saturating": AdversarialLoss(_non_saturating_discriminator, _non_saturating_generator),
        "hinge": AdversarialLoss(_hinge_discriminator, _hinge_generator),
        "relativistic": AdversarialLoss(_relativistic_discriminator, _relativistic_generator, paired=True),
    }
)


def gradient_penalty(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Returns E[|grad_x D(x)|^2] / 2: R1 where x is real, R2 where it is generated (arXiv 1801.04406, equation 9).

    Args:
        logits: (B,), computed from x alone, record by record.
        x: (B, ...) that requires a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean() / 2


def divergence_from_prior(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Returns KL(N(mean, variance) || N(0, 1)) in nats by dimension, (B, latent): arXiv 1312.6114, appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def negative_elbo(
    reconstruction: torch.Tensor, divergence: torch.Tensor, beta: float, free_bits: float
) -> torch.Tensor:
    """Returns the mean negative evidence lower bound per record, in nats.

    Args:
        reconstruction: -log p(x | z), (B,); arXiv 1312.6114, equation 7.
        divergence: KL by dimension, (B, latent).
        beta: its weight; arXiv 1804.03599 and Higgins et al. 2017, equation 4.
        free_bits: what each dimension has for nothing, on the batch's mean; arXiv 1606.04934, equation 15.
    """
    return reconstruction.mean() + beta * divergence.mean(dim=0).clamp(min=free_bits).sum()


def feature_distance(
    output: Sequence[torch.Tensor], target: Sequence[torch.Tensor], strength: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Returns how far apart two batches are in a classifier's layers, as a share of what is there, by layer on average.

    The feature perceptual loss of Hou et al., arXiv 1610.00291, equation 3, with each layer on a scale of its own.

    Args:
        output: of each layer (B, ...).
        target: the same of what the output is to be like.
        strength: mean square of each layer, a scalar above zero.
    """
    distances = [(a - b).square().mean() / scale for a, b, scale in zip(output, target, strength, strict=True)]
    return torch.stack(distances).mean()
