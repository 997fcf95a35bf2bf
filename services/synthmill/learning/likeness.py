"""Compares a few samples with real records, in the networks' units: do they vary as much, are they copies?"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from synthmill.learning.measures import mean_distance, nearest_two

# Real records that are closer to a training record than this quantile of them are the yardstick for copies.
_CLOSE = 0.05
# Two neighbours are the least, and a record that is one of them is left out.
_LEAST_NEIGHBOURS = 3


class Diversity:
    """How much samples vary, as a share of how much real records do.

    Args:
        real: (N, D).
        label: of the real records, int64 (N,); None without classes.
        labels: names of the classes.
    """

    def __init__(self, real: torch.Tensor, label: torch.Tensor | None, labels: Sequence[str]) -> None:
        self._labels = labels
        self._spread = mean_distance(real)
        # Where all records of a class are the same, or there is one, nothing can be said of its samples.
        self._class_spread = {name: spread for name, spread in self._by_class(real, label).items() if spread}

    def of(self, x: torch.Tensor) -> float:
        """Returns the diversity of samples, (N, D); 1 where real records are all the same."""
        return mean_distance(x) / self._spread if self._spread else 1.0

    def least(self, x: torch.Tensor, label: torch.Tensor | None) -> tuple[str, float]:
        """Returns the class whose samples vary least, and how much; without classes, all of them."""
        found = self._by_class(x, label)
        ratios = {name: found[name] / spread for name, spread in self._class_spread.items() if name in found}
        if not ratios:
            return "", self.of(x)
        name = min(ratios, key=ratios.__getitem__)
        return name, ratios[name]

    def _by_class(self, x: torch.Tensor, label: torch.Tensor | None) -> dict[str, float]:
        if label is None:
            return {}
        groups = {name: x[label == position] for position, name in enumerate(self._labels)}
        return {name: mean_distance(group) for name, group in groups.items() if len(group) > 1}


class Closeness:
    """How close samples are to training records, beside real records that are not among these.

    Distance alone would call every smooth sample a copy: it is near to everything. A copy is near to one record and far
    from the next, so that a sample counts as one if both its distance to the nearest training record and the ratio of
    this to the second nearest are below what 95 % of real records have.

    Args:
        train: (M, D).
        real: held-out records, (N, D); None compares training records with each other.
        most: training records compared with each other in that case.
    """

    def __init__(self, train: torch.Tensor, real: torch.Tensor | None, most: int) -> None:
        self._train = train
        self._possible = len(train) >= _LEAST_NEIGHBOURS
        if not self._possible:
            return
        place = torch.arange(min(most, len(train)), device=train.device)
        usual = nearest_two(train[place], train, leave_out=place) if real is None else nearest_two(real, train)
        self._usual_distance = usual[:, 0].median().item()
        self._close = torch.quantile(_describe(usual), _CLOSE, dim=0)

    def of(self, x: torch.Tensor) -> tuple[float, float]:
        """Returns the median distance as a share of real records', and the share of copies; 1 and 0 if it cannot be
        told.

        Args:
            x: samples, (N, D).
        """
        if not self._possible:
            return 1.0, 0.0
        found = nearest_two(x, self._train)
        copied = (_describe(found) < self._close).all(dim=1).float().mean().item()
        median = found[:, 0].median().item()
        return median / self._usual_distance if self._usual_distance else 1.0, copied


def _describe(distances: torch.Tensor) -> torch.Tensor:
    """Returns the distance to the nearest and its ratio to the next, (N, 2), of distances to both."""
    nearest, second = distances.unbind(dim=1)
    return torch.stack([nearest, nearest / second.clamp(min=1e-12)], dim=1)
