"""Answers queries: a few samples, a stream of them, the labels of a range."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

import asyncio

import numpy as np

from synthmill.runtime.errors import InvalidField, ResourceExhausted, Unavailable
from synthmill.runtime.service import Drain
from synthmill.sampling.batches import Columns, round_to_batches
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Engine
from synthmill.sampling.labels import LabelPlan
from synthmill.sampling.models import LoadedModel, ModelRegistry
from synthmill.sampling.queries import IndexQuery, Query, RangeQuery, StreamQuery
from synthmill.sampling.streaming import Stopped, compute_ahead

MAX_ANSWER_BYTES = 3 << 20
LABEL = "label"

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A run of samples.

    Attributes:
        first_index: index of the first one.
        columns: the samples, with "label" if the model has labels.
        model: version that made them.
        digest: digest of that version.
    """

    first_index: int
    columns: Columns
    model: str
    digest: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A query bound to a loaded model: what is left is to say which indices."""

    engine: Engine
    seed: int
    plan: LabelPlan | None
    truncation: float | None

    @property
    def sample_bytes(self) -> int:
        """Size of a sample with its label."""
        return self.engine.sample_bytes + (np.dtype(np.int64).itemsize if self.plan else 0)

    def draw(self, index: np.ndarray, stopped: Stopped = lambda: False) -> Columns:
        """Computes samples; blocks, and may be called from any thread."""
        label = self.plan.labels(self.seed, index) if self.plan else None
        columns = self.engine.sample(self.seed, index, label, self.truncation, stopped)
        return columns if label is None else columns | {LABEL: label}


class Sampler:
    """Answers queries on loaded models.

    Args:
        models: the models.
        catalog: tells the class sizes of datasets.
        executor: where samples are computed; its size bounds the work under way.
        drain: says when to end streams.
    """

    def __init__(self, models: ModelRegistry, catalog: Catalog, executor: Executor, drain: Drain) -> None:
        self._models = models
        self._catalog = catalog
        self._executor = executor
        self._drain = drain

    async def sample(self, query: RangeQuery | IndexQuery, pack: Callable[[Chunk], T]) -> T:
        """Returns a few samples, packed in the executor.

        Raises:
            InvalidField: the query does not fit the model.
            OutOfRange: the label plan ends before.
            ResourceExhausted: the samples do not fit one answer.
        """
        async with self._models.use(query.model) as loaded:
            drawing = await self._prepare(loaded, query)
            fitting = max(1, MAX_ANSWER_BYTES // drawing.sample_bytes)
            if query.count > fitting:
                raise ResourceExhausted(
                    f"count: {query.count} samples of {drawing.sample_bytes} bytes do not fit one answer; "
                    f"ask for up to {fitting}, or use StreamSamples",
                    field="count",
                    value=query.count,
                    allowed=f"up to {fitting}",
                )
            return await self._compute(lambda: pack(_chunk(loaded, query.first, drawing.draw(query.index()))))

    async def stream(self, query: StreamQuery, pack: Callable[[Chunk], T]) -> AsyncIterator[T]:
        """Yields a range of samples in chunks, each packed in the executor.

        Raises:
            InvalidField: the query does not fit the model.
            OutOfRange: the label plan ends before.
            Unavailable: the service drains; `next_index` is the first one not sent.
        """
        async with self._models.use(query.model) as loaded:
            drawing = await self._prepare(loaded, query)
            size = round_to_batches(query.chunk_bytes // drawing.sample_bytes, drawing.engine.buckets)

            def compute(part: range, stopped: Stopped) -> T:
                index = np.arange(part.start, part.stop, dtype=np.int64)
                return pack(_chunk(loaded, part.start, drawing.draw(index, stopped)))

            next_index = query.start
            parts = (range(first, min(first + size, query.end)) for first in range(query.start, query.end, size))
            async with contextlib.aclosing(compute_ahead(parts, compute, self._executor)) as chunks:
                async for chunk in chunks:
                    if self._drain.draining:
                        raise Unavailable(f"the service is draining; go on at {next_index}", next_index=next_index)
                    yield chunk
                    next_index = min(next_index + size, query.end)

    async def count_labels(self, query: RangeQuery) -> Mapping[str, int]:
        """Returns how many samples of each class a range has, by class name; a count of 0 means to the plan's end.

        Raises:
            InvalidField: the model has no labels, or the plan has no end.
            OutOfRange: the plan ends before.
            ResourceExhausted: the range is too long to be counted.
        """
        async with self._models.use(query.model) as loaded:
            plan = (await self._prepare(loaded, query)).plan
            if plan is None:
                raise InvalidField("model", query.model, "a model with labels")
            end = query.end if query.count else _end_of(plan)
            plan.check_range(query.start, end)
            counts = await self._compute(lambda: plan.count(query.seed, query.start, end))
            return dict(zip(loaded.model.labels, map(int, counts), strict=True))

    async def _prepare(self, loaded: LoadedModel, query: Query) -> Drawing:
        ...

    async def _compute(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
