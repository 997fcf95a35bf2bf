"""Records as the networks take them, block by block, and as vectors in which distances between records are measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from synthmill.kinds.base import Columns
from synthmill.learning.data import count_records
from synthmill.learning.evaluate.comparison import Comparison
from synthmill.learning.task import CheckCallback

_MOST_RECORDS = 1024
_MOST_NUMBERS = 2**24
_MOST_PLACES = 256


def network_inputs(comparison: Comparison, columns: Columns, check: CheckCallback) -> Iterator[torch.Tensor]:
    """Yields the networks' inputs of records, (B, ...), in order.

    Args:
        comparison: kind, schema and device of them.
        columns: the records; more than memory holds is fine if they are on disk.
        check: called between blocks; raises to stop.
    """
    learning = comparison.kind.learning()
    size = max(1, min(_MOST_RECORDS, _MOST_NUMBERS // comparison.numbers))
    for start in range(0, count_records(columns), size):
        check()
        block = {
            name: np.array(columns[name][start : start + size]) for name in comparison.kind.columns(comparison.schema)
        }
        yield learning.to_input({name: torch.from_numpy(array).to(comparison.device) for name, array in block.items()})


def vectors(comparison: Comparison, columns: Columns, check: CheckCallback) -> Iterator[torch.Tensor]:
    """Yields records as vectors, float32 (B, D), in order; see `shrink`."""
    return map(shrink, network_inputs(comparison, columns, check))


def all_vectors(comparison: Comparison, columns: Columns, check: CheckCallback) -> torch.Tensor:
    """Returns records as vectors, float32 (N, D); see `shrink`."""
    return torch.cat(list(vectors(comparison, columns, check)))


def shrink(x: torch.Tensor) -> torch.Tensor:
    """Returns networks' inputs as vectors in which a copy of a record is near to it and to no other.

    That is the space of the inputs, where all of a record counts. In a classifier's features two different records of a
    class may be one point, and a copy could not be told from them. Inputs with axes beyond the second, which are places
    side by side, are averaged over neighbouring places until there are 256 or fewer: a copy that is blurred, noisy or
    shifted by a fraction of a place stays one, and records of any size cost the same.

    Args:
        x: (B, ...).

    Returns:
        float32 (B, D).
    """
    places = list(x.shape[2:])
    while math.prod(places) > _MOST_PLACES:
        places = [-(-side // 2) for side in places]
    return (x if places == list(x.shape[2:]) else F.interpolate(x, places, mode="area")).flatten(1)
