"""Where two sets of vectors lie: whether samples lie where real records do, and whether they reach all of them."""

from __future__ import annotations

import torch

from synthmill.learning.evaluate.neighbours import BLOCK, squared_distances, squared_radius

NEIGHBOURS = 5
"""A neighbourhood reaches from a vector to its so-manieth nearest other one of the same set."""


def compare_support(real: torch.Tensor, samples: torch.Tensor) -> dict[str, float]:
    """Returns precision, recall, density and coverage.

    Precision and recall are the share of samples in the neighbourhood of any real record, and the share of real
    records in that of any sample (Kynkäänniemi et al., arXiv 1904.06991, equation 2). Density is how many real
    neighbourhoods a sample lies in, as a share of how many that would be among real records; coverage is the share of
    real neighbourhoods with a sample in them, which one stray sample cannot stretch (Naeem et al., arXiv 2002.09797,
    section 3).

    Args:
        real: (N, D), N at least 2.
        samples: (M, D), M at least 2.
    """
    reach, sample_reach = squared_radius(real, NEIGHBOURS), squared_radius(samples, NEIGHBOURS)
    inside = torch.zeros(len(samples), dtype=torch.int64, device=real.device)
    recalled = covered = 0
    for block, radius in zip(real.split(BLOCK), reach.split(BLOCK), strict=True):
        squared = squared_distances(block, samples)
        near = squared <= radius[:, None]
        inside += near.sum(dim=0)
        covered += int(near.any(dim=1).sum())
        recalled += int((squared <= sample_reach).any(dim=1).sum())
    return {
        "precision": (inside > 0).float().mean().item(),
        "recall": recalled / len(real),
        "density": inside.float().mean().item() / NEIGHBOURS,
        "coverage": covered / len(real),
    }
