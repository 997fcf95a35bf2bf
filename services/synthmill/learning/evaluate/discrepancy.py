"""How far apart the distributions of two sets of vectors are."""

from __future__ import annotations

import torch

_BLOCK = 512


def frechet_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Returns the squared Fréchet distance between the normal distributions of two sets (Heusel et al., arXiv
    1706.08500, equation 6).

    The trace of the root of the product of two covariances is the sum of the singular values of the product of their
    roots, which exists and is exact to rounding however singular they are.

    Args:
        first: (N, D), N at least 2.
        second: (M, D), M at least 2.
    """
    one, other = first.double(), second.double()
    roots = [_root(torch.cov(x.T).reshape(x.shape[1], x.shape[1])) for x in (one, other)]
    apart = (one.mean(dim=0) - other.mean(dim=0)).square().sum()
    spread = sum(root.square().sum() for root in roots)
    shared = torch.linalg.svdvals(roots[0] @ roots[1]).sum()
    return max(0.0, (apart + spread - 2 * shared).item())


def kernel_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Returns the unbiased squared maximum mean discrepancy with the kernel (x y / D + 1)^3 (Binkowski et al., arXiv
    1801.01401); zero on average for the same distribution, and so at times below.

    Args:
        first: (N, D), N at least 2.
        second: (M, D), M at least 2.
    """
    one, other = first.double(), second.double()
    between = _kernel_sum(one, other) / (len(one) * len(other))
    within = sum((_kernel_sum(x, x) - _own_sum(x)) / (len(x) * (len(x) - 1)) for x in (one, other))
    return within - 2 * between


def _root(covariance: torch.Tensor) -> torch.Tensor:
    values, axes = torch.linalg.eigh(covariance)
    return (axes * values.clamp(min=0).sqrt()) @ axes.T


def _kernel_sum(x: torch.Tensor, y: torch.Tensor) -> float:
    return sum((block @ y.T / x.shape[1] + 1).pow(3).sum().item() for block in x.split(_BLOCK))


def _own_sum(x: torch.Tensor) -> float:
    return (x.square().sum(dim=1) / x.shape[1] + 1).pow(3).sum().item()
