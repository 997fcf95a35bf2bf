"""Where samples are drawn from: not where a VAE's codes were meant to lie, but where they do.

The codes of real records never fill the standard normal that a VAE pulls them to. So a mixture of normals is fitted to
the codes of each class after training, and samples are drawn from that: ex-post density estimation (Ghosh et al.,
arXiv 1903.12436, section 4).
"""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import nn

from synthmill.kinds.families import RECORDS_PER_DIMENSION

_ROUNDS = 30
_TOLERANCE = 1e-2
# Keeps a covariance positive where all codes of all classes agree in a dimension.
_LEAST_VARIANCE = 1e-6
# No standard normal number is as large.
_NEVER = 1e4


class MixturePrior(nn.Module):
    """A mixture of normal distributions over codes for each class, or one if there are no classes.

    Its latent vectors have a dimension more than codes: the last one chooses the part of the mixture.

    Args:
        code_size: dimensions of a code, L.
        label_count: number of classes; 0 is unconditional.
        parts: normals in each mixture, K.

    Attributes:
        mean: of the K parts of each of C classes, (C K, L); zero before they are fitted.
        factor: (C K, L, L), lower triangular; times its transpose it is a part's covariance; one before it is fitted.
        bounds: (C, K), ascending: part n is drawn from where n of them are below the last dimension.
    """

    def __init__(self, code_size: int, label_count: int, parts: int) -> None:
        super().__init__()
        count, self._parts = max(1, label_count), parts
        self.register_buffer("mean", torch.zeros(count * parts, code_size))
        self.register_buffer("factor", torch.eye(code_size).repeat(count * parts, 1, 1))
        self.register_buffer("bounds", torch.full((count, parts), _NEVER))

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes standard normal z (B, L + 1) and label (B,) int64; returns codes (B, L)."""
        bounds = self.bounds if label is None else self.bounds.index_select(0, label)
        part = (z[:, -1:] > bounds).long().sum(dim=-1)
        if label is not None:
            part = part + label * self._parts
        # Not a product of matrices: a batch of one takes another way through those, to other bits.
        spread = (self.factor.index_select(0, part) * z[:, None, :-1]).sum(dim=-1)
        return self.mean.index_select(0, part) + spread

    @torch.no_grad()
    def fit(self, mean: torch.Tensor, log_variance: torch.Tensor, label: torch.Tensor | None, seed: int) -> None:
        """Fits the mixtures to the codes of records.

        Args:
            mean: means of the codes, (N, L).
            log_variance: log variances of the codes, (N, L).
            label: classes, int64 (N,), or None; a class without records keeps the distribution it has.
            seed: of the draws that a mixture is fitted to, in [0, 2^32).
        """
        mean, variance = mean.double().cpu().numpy(), log_variance.double().exp().cpu().numpy()
        names = np.zeros(len(mean), np.int64) if label is None else label.cpu().numpy()
        groups = {int(name): np.flatnonzero(names == name) for name in np.unique(names)}
        whole = {name: _moments(mean[rows], variance[rows]) for name, rows in groups.items()}
        shared = sum(len(groups[name]) * found.covariances[0] for name, found in whole.items()) / len(mean)
        for name, rows in groups.items():
            count = min(self._parts, len(rows) // (RECORDS_PER_DIMENSION * mean.shape[1]))
            if count > 1:
                drawn = np.random.default_rng([seed, name]).standard_normal(mean[rows].shape)
                found = _mixture(mean[rows] + drawn * np.sqrt(variance[rows]), count, seed)
            else:
                found = whole[name].drawn_towards(shared, len(rows))
            self._keep(name, found)

    def _keep(self, name: int, found: _Parts) -> None:
        first, last = name * self._parts, name * self._parts + len(found.weights)
        floor = _LEAST_VARIANCE * np.eye(found.means.shape[1])
        self.mean[first:last] = torch.from_numpy(found.means)
        self.factor[first:last] = torch.from_numpy(np.linalg.cholesky(found.covariances + floor))
        below = torch.from_numpy(np.cumsum(found.weights)[:-1])
        self.bounds[name] = _NEVER
        self.bounds[name, : len(below)] = torch.special.ndtri(below)


class PriorGenerator(nn.Module):
    """A generator behind a fitted prior."""

    def __init__(self, prior: MixturePrior, generator: nn.Module) -> None:
        super().__init__()
        self.prior, self.generator = prior, generator

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """Takes the prior's latent vectors z and label (B,) int64; returns what the generator does."""
        return self.generator(self.prior(z, label), label)


@dataclasses.dataclass(frozen=True)
class _Parts:
    """A mixture of K normals: weights (K,), means (K, L), covariances (K, L, L)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def drawn_towards(self, shared: np.ndarray, records: int) -> _Parts:
        """Returns covariances that give way to a shared one, by as much as L records count.

        A class of few records has too few for a covariance of its own (regularised discriminant analysis: Friedman,
        JASA 84, 1989).
        """
        size = len(shared)
        return dataclasses.replace(self, covariances=(records * self.covariances + size * shared) / (records + size))


def _moments(mean: np.ndarray, variance: np.ndarray) -> _Parts:
    """Returns the one normal that has the moments of all codes together."""
    centred = mean - mean.mean(axis=0)
    covariance = centred.T @ centred / len(mean) + np.diag(variance.mean(axis=0))
    return _Parts(np.ones(1), mean.mean(axis=0, keepdims=True), covariance[None])


def _mixture(codes: np.ndarray, count: int, seed: int) -> _Parts:
    # Centres by k-means alone would be summed up by threads in the order of their luck, to other bits in each run.
    mixture = GaussianMixture(
        count,
        init_params="k-means++",
        max_iter=_ROUNDS,
        tol=_TOLERANCE,
        reg_covar=math.sqrt(_LEAST_VARIANCE),
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Rounds are bounded on purpose: a mixture that still moves a little is one all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = mixture.fit(codes)
    # The nearest to the middle of the class come in the middle, where truncated noise chooses from.
    order = np.argsort(np.linalg.norm(found.means_ - codes.mean(axis=0), axis=1), kind="stable")
    order = np.concatenate([order[::2][::-1], order[1::2]])
    return _Parts(found.weights_[order], found.means_[order], found.covariances_[order])
