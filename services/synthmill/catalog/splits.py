"""The parts of a dataset."""

from __future__ import annotations

import dataclasses

from synthmill.kinds.base import parameter

# In order of precedence, too: of equal records in two splits, the later split loses its own.
from synthmill.kinds.dataset_files import SPLITS as SPLITS

DEFAULT_SPLIT = "train"


@dataclasses.dataclass(frozen=True)
class SplitParameters:
    """Import parameters that hold for every kind."""

    test_fraction: float = parameter(
        0.2,
        "share of each class that becomes the test split, if the source has no splits of its own",
        minimum=0.0,
        maximum=0.9,
    )
    validation_fraction: float = parameter(
        0.0,
        "share of each class of the training records that becomes the validation split, if the source has none; "
        "training then measures its samples on records that it has not seen",
        minimum=0.0,
        maximum=0.9,
    )
