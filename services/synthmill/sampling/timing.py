"""Where the time of samples went."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Batch:
    """A batch that some samples were computed in.

    Attributes:
        size: samples that it has room for.
        seconds: time in ONNX Runtime.
        begins: whether its first sample is one of them: of all requests that share a batch, this is so for one.
    """

    size: int
    seconds: float
    begins: bool


@dataclasses.dataclass(frozen=True)
class Spent:
    """Where the time of some samples went.

    Attributes:
        queued_s: from the request to its first batch.
        batches: those that the samples were computed in.
    """

    queued_s: float
    batches: Sequence[Batch]
