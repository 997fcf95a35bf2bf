"""Answers queries: a few samples, a stream of them, the labels of a range."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

import numpy as np

from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, ResourceExhausted, Unavailable
from synthmill.sampling.batches import Columns, whole_batches
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Engine
from synthmill.sampling.labels import LabelPlan
from synthmill.sampling.models import LoadedModel, ModelRegistry
from synthmill.sampling.queries import IndexQuery, Query, RangeQuery, StreamQuery
from synthmill.sampling.signature import LABEL
from synthmill.sampling.streaming import Stopped, compute_ahead

MAX_ANSWER_BYTES = 3 << 20

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
        return self.engine.signature.sample_bytes + (np.dtype(np.int64).itemsize if self.plan else 0)

    def check_range(self, end: int) -> None:
        """Makes sure that every index below `end` has a label.

        Raises:
            OutOfRange: one has none.
        """
        if self.plan:
            self.plan.check_range(0, end)

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
        ahead: chunks of a stream that are computed before the client has taken them.
        drain: says when to end streams.
    """

    def __init__(self, models: ModelRegistry, catalog: Catalog, executor: Executor, ahead: int, drain: Drain) -> None:
        self._models = models
        self._ahead = ahead
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
            drawing.check_range(query.end)

            def compute(stopped: Stopped) -> T:
                return pack(_chunk(loaded, query.first, drawing.draw(query.index(), stopped)))

            return await self._compute(compute)

    async def stream(self, query: StreamQuery, pack: Callable[[Chunk], T]) -> AsyncIterator[T]:
        """Yields a range of samples in chunks, each packed in the executor.

        Raises:
            InvalidField: the query does not fit the model.
            OutOfRange: the label plan ends before.
            Unavailable: the service drains; `next_index` is the first one not sent.
        """
        async with self._models.use(query.model) as loaded:
            drawing = await self._prepare(loaded, query)
            drawing.check_range(query.end)
            size = whole_batches(query.chunk_bytes // drawing.sample_bytes, drawing.engine.buckets)

            def compute(part: range, stopped: Stopped) -> T:
                index = np.arange(part.start, part.stop, dtype=np.int64)
                return pack(_chunk(loaded, part.start, drawing.draw(index, stopped)))

            next_index = query.start
            parts = (range(first, min(first + size, query.end)) for first in range(query.start, query.end, size))
            async with contextlib.aclosing(compute_ahead(parts, compute, self._executor, self._ahead)) as chunks:
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
            if not query.count and not plan.is_finite:
                raise InvalidField("count", 0, "at least 1; only counts and balance have an end")
            end = query.end if query.count else plan.length
            counts = await self._compute(lambda _stopped: plan.count(query.seed, query.start, end))
            return dict(zip(loaded.model.labels, map(int, counts), strict=True))

    async def _prepare(self, loaded: LoadedModel, query: Query) -> Drawing:
        """Makes sure that the query fits the model."""
        engine, labels = loaded.engine, list(loaded.model.labels)
        if query.truncation is not None and not engine.signature.truncatable:
            raise InvalidField("truncation", query.truncation, f"unset: {loaded.model.name} has no such input")
        if query.plan is not None and not labels:
            raise InvalidField("label_plan", type(query.plan).__name__, f"unset: {loaded.model.name} has no labels")
        plan = await query.plan_or_default.resolve(labels, self._catalog.class_counts) if labels else None
        return Drawing(engine, query.seed, plan, query.truncation)

    async def _compute(self, work: Callable[[Stopped], T]) -> T:
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, stop.is_set)
        # A caller that goes away shows as CancelledError.
        finally:
            stop.set()


def _chunk(loaded: LoadedModel, first_index: int, columns: Columns) -> Chunk:
    return Chunk(first_index, columns, loaded.model.name, loaded.model.digest)
