"""What is asked of the service, as plain validated values."""

from __future__ import annotations

import dataclasses

import numpy as np

from synthmill.runtime.filters import Filter
from synthmill.sampling.plans import Default, PlanSpec


@dataclasses.dataclass(frozen=True)
class Query:
    """What every call for samples says.

    Attributes:
        model: "models/{model}" or one of its versions.
        seed: in [0, 2^64).
        plan: which label each index gets; None if nothing was said.
        truncation: scale of the latent vector; None leaves it to the graph.
        filter: which of several candidates each sample is; without bounds it is the graph's own. None for no filter.
    """

    model: str
    seed: int = 0
    plan: PlanSpec | None = None
    truncation: float | None = None
    filter: Filter | None = None

    @property
    def plan_or_default(self) -> PlanSpec:
        """The plan that holds for a model with labels."""
        return self.plan or Default()


@dataclasses.dataclass(frozen=True)
class RangeQuery(Query):
    """The samples of [start, start + count)."""

    start: int = 0
    count: int = 0

    @property
    def end(self) -> int:
        """The index after the last one."""
        return self.start + self.count

    @property
    def first(self) -> int:
        """The first index."""
        return self.start

    def index(self) -> np.ndarray:
        """The indices, int64 (count,)."""
        return np.arange(self.start, self.end, dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class StreamQuery(RangeQuery):
    """A range of samples, in chunks of about this size; zero leaves the size to the sampler."""

    chunk_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class IndexQuery(Query):
    """The samples of some indices, in their order."""

    indices: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.indices)

    @property
    def end(self) -> int:
        """One above the greatest index."""
        return max(self.indices) + 1

    @property
    def first(self) -> int:
        """The first index."""
        return self.indices[0]

    def index(self) -> np.ndarray:
        """The indices, int64 (count,)."""
        return np.array(self.indices, np.int64)
