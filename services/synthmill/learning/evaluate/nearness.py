"""How near records are to training records."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from synthmill.kinds.base import Columns
from synthmill.learning.data import load
from synthmill.learning.evaluate.comparison import Comparison
from synthmill.learning.evaluate.inputs import all_vectors, vectors
from synthmill.learning.evaluate.neighbours import find_nearest
from synthmill.learning.task import CheckCallback

# Of held-out records, this share is nearer to training records than the yardstick for copies.
_RARE = 0.01
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Nearness:
    """How near records are to training records.

    Attributes:
        distance: to the nearest, (N,).
        ratio: of that to the distance to the second nearest, (N,).
        own: distance of the nearest to the training record nearest to it, (N,).
    """

    distance: np.ndarray
    ratio: np.ndarray
    own: np.ndarray

    def __getitem__(self, part: slice) -> Nearness:
        return Nearness(self.distance[part], self.ratio[part], self.own[part])

    @property
    def authentic(self) -> np.ndarray:
        """Whether each is no nearer to its nearest training record than another one is, and not the same; bool (N,).

        Alaa et al., arXiv 2102.08921, section 3.
        """
        return (self.distance >= self.own) & (self.distance > 0)

    def suspicion(self, usual: Nearness) -> np.ndarray:
        """Returns how like a copy each is, (N,): one below 1 counts as one, and at 0 is the same as a training record.

        Distance alone would call every smooth sample a copy: it is near to everything. A copy is near to one record,
        and far from the next in proportion.

        Args:
            usual: of held-out records, all but a hundredth of which are farther in both respects.
        """
        pairs = ((self.distance, usual.distance), (self.ratio, usual.ratio))
        return np.maximum(*(found / max(np.quantile(each, _RARE), _TINY) for found, each in pairs))


def measure_nearness(comparison: Comparison, x: torch.Tensor, train: Columns, check: CheckCallback) -> Nearness:
    """Compares records with all training records.

    Args:
        comparison: kind, schema and device.
        x: records as vectors, (N, D).
        train: training records, at least two.
        check: called between blocks; raises to stop.
    """
    nearest = find_nearest(x, vectors(comparison, train, check), 2)
    rows, place = nearest.row[:, 0].unique(return_inverse=True)
    chosen = all_vectors(comparison, load(train, rows.cpu().numpy()), check)
    own = find_nearest(chosen, vectors(comparison, train, check), 1, leave_out=rows).distance[:, 0]
    distance, second = nearest.distance.unbind(dim=1)
    parts = (distance, distance / second.clamp(min=_TINY), own[place])
    return Nearness(*(each.cpu().numpy() for each in parts))
