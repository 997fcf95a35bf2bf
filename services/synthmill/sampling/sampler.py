"""Answers queries: a few samples, a stream of them, the labels of a range."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, ResourceExhausted, Unavailable
from synthmill.runtime.filters import Filter
from synthmill.runtime.security.principals import take_rows
from synthmill.sampling import metrics
from synthmill.sampling.admission import Admission, Cost
from synthmill.sampling.batches import Columns
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Draw, Drawn, Engine
from synthmill.sampling.filtering import bound_filter, opinions_for
from synthmill.sampling.labels import LabelPlan
from synthmill.sampling.models import LoadedModel, ModelRegistry
from synthmill.sampling.parts import run_in_parts
from synthmill.sampling.queries import IndexQuery, Query, RangeQuery, StreamQuery
from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.signature import LABEL
from synthmill.sampling.streaming import compute_ahead
from synthmill.sampling.timing import Spent
from synthmill.sampling.work import Work
from synthmill.v1 import model_pb2

MAX_ANSWER_BYTES = 3 << 20

_LABEL_BYTES = np.dtype(np.int64).itemsize
# Of the columns "attempt" and "passed".
_FILTERED_BYTES = np.dtype(np.int32).itemsize + np.dtype(np.bool_).itemsize
_CHUNK_BYTES = 1 << 20
# A chunk of a slow model is smaller than that, so that a client sees something soon.
_CHUNK_S = 0.1

T = TypeVar("T")


@dataclasses.dataclass
class Chunk:
    """A run of samples, as it lies in the memory of its batches.

    Attributes:
        first_index: index of the first one.
        count: number of samples.
        pieces: the columns by name, those that a filter adds among them, with "label" if the model has labels, each in
            pieces that follow one another; they are overwritten once the chunk is packed.
        model: version that made them.
        digest: digest of that version.
        spent: tells where the time went.
    """

    first_index: int
    count: int
    pieces: Mapping[str, Sequence[np.ndarray]]
    model: str
    digest: str
    spent: Callable[[], Spent]

    @functools.cached_property
    def columns(self) -> Columns:
        """The columns as arrays of their own."""
        return {name: np.concatenate(pieces) for name, pieces in self.pieces.items()}


Pack = Callable[[Chunk], T]
"""Makes an answer of a chunk; called in a worker, and keeps nothing of the chunk's pieces."""


@dataclasses.dataclass
class Drawing:
    """A query bound to a loaded model: what is left is to say which indices."""

    model: model_pb2.Model
    engine: Engine
    seed: int
    plan: LabelPlan | None
    truncation: float | None
    filter: Filter | None
    tenant: str

    @property
    def sample_bytes(self) -> int:
        """Size of a sample with its label, and with what a filter says of it."""
        added = (_LABEL_BYTES if self.plan else 0) + (_FILTERED_BYTES if self.filter else 0)
        return self.engine.signature.sample_bytes + added

    @property
    def seconds_per_sample(self) -> float:
        """What a sample costs a worker."""
        candidates = self.engine.candidates.expected(self.filter) if self.filter else 1
        return self.engine.planner.seconds_per_sample * candidates

    def check_range(self, end: int) -> None:
        """Makes sure that every index below `end` has a label.

        Raises:
            OutOfRange: one has none.
        """
        if self.plan:
            self.plan.check_range(0, end)

    def chunk_size(self, chunk_bytes: int) -> int:
        """Returns how many samples make a chunk: whole batches of about so many bytes; zero leaves it to us."""
        bulk = self.engine.planner.bulk
        samples = (chunk_bytes or _CHUNK_BYTES) // self.sample_bytes
        if not chunk_bytes:
            samples = min(samples, int(_CHUNK_S / self.seconds_per_sample))
        return max(samples // bulk, 1) * bulk

    def work(self, index: Callable[[], np.ndarray], first_index: int, count: int, pack: Pack[T]) -> Work:
        """Returns what a worker has to do for some indices."""
        model, label = self.model, None
        created = begun = time.perf_counter()

        def draw() -> Draw:
            nonlocal label, begun
            begun = time.perf_counter()
            drawn_index = index()
            label = self.plan.labels(self.seed, drawn_index) if self.plan else None
            return Draw(self.seed, drawn_index, label, self.truncation, self.filter)

        def pack_drawn(drawn: Drawn, start: int, stop: int) -> T:
            pieces = {name: drawn.pieces(name, start, stop) for name in drawn.names}
            if label is not None:
                pieces[LABEL] = [label]
            # Only who tells of times pays for finding them out.
            spent = functools.partial(_spent, begun - created, drawn, start, stop)
            return pack(Chunk(first_index, count, pieces, model.name, model.digest, spent))

        return Work(self.engine, draw, pack_drawn, count, self.tenant, self.truncation is not None, self.filter)


class Sampler:
    """Answers queries on loaded models.

    Args:
        models: the models.
        catalog: tells the class sizes of datasets.
        scheduler: computes samples.
        admission: decides which queries are taken.
        ahead: chunks of a stream that are computed before the client has taken them.
        drain: says when to end streams.
    """

    def __init__(
        self,
        models: ModelRegistry,
        catalog: Catalog,
        scheduler: Scheduler,
        admission: Admission,
        ahead: int,
        drain: Drain,
    ) -> None:
        self._models = models
        self._catalog = catalog
        self._scheduler = scheduler
        self._admission = admission
        self._ahead = ahead
        self._drain = drain

    async def sample(self, query: RangeQuery | IndexQuery, pack: Pack[T], tenant: str = "") -> T:
        """Returns a few samples, packed in a worker.

        Args:
            query: what is asked for.
            pack: makes the answer.
            tenant: who asks; tenants take turns.

        Raises:
            InvalidField: the query does not fit the model.
            FailedPrecondition: the model has no opinions to filter by.
            OutOfRange: the label plan ends before.
            ResourceExhausted: the samples do not fit one answer.
            Overloaded: too much is asked for at the moment.
        """
        with await self._models.use(query.model) as loaded:
            drawing = await self._prepare(loaded, query, tenant)
            size_bytes = query.count * drawing.sample_bytes
            if size_bytes > MAX_ANSWER_BYTES and query.count > 1:
                raise _too_many(query.count, drawing.sample_bytes)
            drawing.check_range(query.end)
            cost = Cost(query.count * drawing.seconds_per_sample, query.count, size_bytes)
            with self._admission.admit(cost):
                take_rows(query.count)
                return await run_in_parts(self._scheduler, drawing.work(query.index, query.first, query.count, pack))

    async def stream(self, query: StreamQuery, pack: Pack[T], tenant: str = "") -> AsyncIterator[T]:
        """Yields a range of samples in chunks, each packed in a worker.

        Args:
            query: what is asked for.
            pack: makes a message of a chunk.
            tenant: who asks; tenants take turns.

        Raises:
            InvalidField: the query does not fit the model.
            FailedPrecondition: the model has no opinions to filter by.
            OutOfRange: the label plan ends before.
            Overloaded: there is no memory for another stream.
            Unavailable: the service drains; `next_index` is the first one not sent.
        """
        with await self._models.use(query.model) as loaded:
            drawing = await self._prepare(loaded, query, tenant)
            drawing.check_range(query.end)
            size = drawing.chunk_size(query.chunk_bytes)
            parts = (range(first, min(first + size, query.end)) for first in range(query.start, query.end, size))

            def submit(part: range) -> Work:
                def index() -> np.ndarray:
                    return np.arange(part.start, part.stop, dtype=np.int64)

                return self._scheduler.submit(drawing.work(index, part.start, len(part), pack))

            under_way = min(query.count, (self._ahead + 1) * size)
            # No seconds: urgent requests go before bulk, so a stream makes nobody wait.
            with self._admission.admit(Cost(0.0, under_way, under_way * drawing.sample_bytes)):
                sent = 0
                try:
                    async with contextlib.aclosing(compute_ahead(parts, submit, self._ahead)) as chunks:
                        async for chunk in chunks:
                            self._end_if_draining(query.start + sent)
                            take_rows(min(size, query.count - sent))
                            began = time.perf_counter()
                            yield chunk
                            metrics.SEND_SECONDS.observe(time.perf_counter() - began)
                            sent = min(sent + size, query.count)
                finally:
                    if sent < query.count:
                        metrics.CANCELLED.labels("stream").inc()

    async def count_labels(self, query: RangeQuery) -> Mapping[str, int]:
        """Returns how many samples of each class a range has, by class name; a count of 0 means to the plan's end.

        Raises:
            InvalidField: the model has no labels, or the plan has no end.
            OutOfRange: the plan ends before.
            ResourceExhausted: the range is too long to be counted.
        """
        with await self._models.use(query.model) as loaded:
            plan = (await self._prepare(loaded, query)).plan
            if plan is None:
                raise InvalidField("model", query.model, "a model with labels")
            if not query.count and not plan.is_finite:
                raise InvalidField("count", 0, "at least 1; only counts and balance have an end")
            end = query.end if query.count else plan.length
            counts = await asyncio.to_thread(plan.count, query.seed, query.start, end)
            return dict(zip(loaded.model.labels, map(int, counts), strict=True))

    async def _prepare(self, loaded: LoadedModel, query: Query, tenant: str = "") -> Drawing:
        """Makes sure that the query fits the model."""
        engine, labels = loaded.engine, loaded.labels
        if query.truncation is not None and not engine.signature.truncatable:
            raise InvalidField("truncation", query.truncation, f"unset: {loaded.model.name} has no such input")
        if query.plan is not None and not labels:
            raise InvalidField("label_plan", type(query.plan).__name__, f"unset: {loaded.model.name} has no labels")
        plan = await query.plan_or_default.resolve(labels, self._catalog.class_counts) if labels else None
        by = query.filter and bound_filter(query.filter, engine.signature, loaded.model.name)
        if by is not None:
            engine = await self._models.judging(loaded, opinions_for(by, engine.signature))
        return Drawing(loaded.model, engine, query.seed, plan, query.truncation, by, tenant)

    def _end_if_draining(self, next_index: int) -> None:
        if self._drain.draining:
            raise Unavailable(f"the service is draining; go on at {next_index}", next_index=next_index)


def _spent(queued_s: float, drawn: Drawn, start: int, stop: int) -> Spent:
    return Spent(queued_s, drawn.batches(start, stop))


def _too_many(count: int, sample_bytes: int) -> ResourceExhausted:
    fitting = max(1, MAX_ANSWER_BYTES // sample_bytes)
    return ResourceExhausted(
        f"count: {count} samples of {sample_bytes} bytes do not fit one answer; "
        f"ask for up to {fitting}, or use StreamSamples",
        field="count",
        value=count,
        allowed=f"up to {fitting}",
    )
