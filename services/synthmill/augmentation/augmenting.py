"""Augments the records of a call, or of a stream: results in order, a bounded number of records under way."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from synthmill.augmentation.batches import DECODED_BYTES, MAX_BATCH_BYTES, Batch, Numbering, in_batches
from synthmill.augmentation.frames import Frame, encode_head
from synthmill.augmentation.lent import open_lent
from synthmill.augmentation.memory import Memory
from synthmill.augmentation.opening import Task, open_task
from synthmill.augmentation.policies import Policies
from synthmill.augmentation.pools import Pools
from synthmill.augmentation.received import Received, Record
from synthmill.augmentation.workers import Workers
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, ResourceExhausted, Unavailable
from synthmill.v1 import augmentation_service_pb2 as pb

MAX_RECORDS = 1024
"""Records of one call or of one message of a stream."""

# Records come encoded, and go as pixels.
_COST_FACTOR = 4
_COST_BYTES = 1 << 20
# A batch of a stream: its records, and as much for its results.
_BATCH_COST_BYTES = 2 * MAX_BATCH_BYTES
_LEAST_WINDOW = 3
_NO_DEVICES: Mapping[str, Any] = MappingProxyType({})


class _Begun(NamedTuple):
    """A batch that is worked at."""

    batch: Batch
    future: asyncio.Future[list[Frame]]


class _Queue:
    """Batches of a stream that are under way, in order.

    Args:
        window: says how many there may be.
    """

    def __init__(self, window: Callable[[], int]) -> None:
        self._window = window
        self._items: asyncio.Queue[_Begun | Exception | None] = asyncio.Queue()
        self._taken = asyncio.Event()

    async def wait_for_room(self) -> None:
        """Waits until there may be another one; then nothing more is received, and in the end the sender waits too."""
        while self._items.qsize() >= self._window():
            self._taken.clear()
            await self._taken.wait()

    def put(self, item: _Begun | Exception | None) -> None:
        """Adds a batch, the error that ends the stream, or None for its end."""
        self._items.put_nowait(item)

    async def get(self) -> _Begun | Exception | None:
        """Takes the next one."""
        item = await self._items.get()
        self._taken.set()
        return item

    def rest(self) -> list[_Begun | Exception | None]:
        """Takes all that is left."""
        return [self._items.get_nowait() for _ in range(self._items.qsize())]


class Augmenting:
    """Does what requests ask for; belongs to one event loop.

    Args:
        workers: work at records.
        policies: what is done to them.
        pools: datasets to mix records with.
        memory: bounds what is under way.
        message_bytes: size that a message may have.
        drain: says when to end streams.
        devices: what does a part of the work beside the processor, by kind.
        use_shared_memory: whether streams may use memory that their callers lend.
    """

    def __init__(
        self,
        workers: Workers,
        policies: Policies,
        pools: Pools,
        memory: Memory,
        message_bytes: int,
        drain: Drain,
        devices: Mapping[str, Any] = _NO_DEVICES,
        use_shared_memory: bool = True,
    ) -> None:
        self._workers, self._memory, self._drain = workers, memory, drain
        self._policies, self._pools = policies, pools
        self._message_bytes, self._devices = message_bytes, devices
        self._use_shared_memory = use_shared_memory
        self._streams = 0

    async def open(self, spec: pb.AugmentationSpec) -> Task:
        """Makes a spec ready to be done; errors as `open_task`."""
        return await open_task(spec, self._policies, self._pools, self._devices, DECODED_BYTES)

    async def augment(self, request: Received) -> bytes:
        """Answers Augment with a serialised message.

        Raises:
            InvalidField: there are no records or too many, or the spec is not allowed.
            ResourceExhausted: the answer would be too large for a message.
            Overloaded: there is no memory for it at the moment.
        """
        if not request.records:
            raise InvalidField("records", "none", f"1 to {MAX_RECORDS}")
        _require_few(request.records)
        with self._memory.hold(_COST_FACTOR * request.size + _COST_BYTES):
            task = await self.open(request.spec or pb.AugmentationSpec())
            parts = [encode_head(task.policy_digest, task.pool, task.policy_name)]
            batches = list(in_batches(Numbering().number(request.records), self._workers.count))
            begun = [self._begin(task, batch) for batch in batches]
            try:
                for each in begun:
                    async for frame in self._workers.results(task, *each, self._message_bytes):
                        parts.append(frame.data)
                        _require_fitting(sum(map(len, parts)), self._message_bytes)
            finally:
                _abandon(begun)
            return b"".join(parts)

    async def stream(self, requests: AsyncIterator[Received]) -> AsyncIterator[bytes]:
        """Answers AugmentStream with serialised messages.

        Raises:
            InvalidField: the first message has no spec, another one has, or what it has is not allowed.
            Overloaded: there is no memory for another stream at the moment.
            Unavailable: the service drains; `next_record` is the number of records whose results were sent.
        """
        # Whoever still writes when the stream is refused may be told of the broken write instead of the refusal; so the
        # first message, after which a client waits for an answer, is read before there is one.
        first = await anext(aiter(requests), None)
        with self._memory.hold(_LEAST_WINDOW * _BATCH_COST_BYTES), self._counted():
            if first is None or first.spec is None:
                raise InvalidField("spec", "nothing", "what is to be done, in the first message")
            task = await self.open(first.spec)
            if first.shared_memory is not None:
                task = dataclasses.replace(task, memory=open_lent(first.shared_memory, use=self._use_shared_memory))
            shares_memory = task.memory is not None
            yield encode_head(task.policy_digest, task.pool, task.policy_name, shares_memory=shares_memory)
            sent = 0
            try:
                async with contextlib.aclosing(self._results(task, first, requests)) as frames:
                    async for frame in frames:
                        self._end_if_draining(sent)
                        yield frame.data
                        sent += frame.count
            finally:
                self._workers.forget(task)
            self._end_if_draining(sent)

    async def _results(self, task: Task, first: Received, requests: AsyncIterator[Received]) -> AsyncIterator[Frame]:
        """Yields results in order while further records are received and worked at."""
        queue = _Queue(self._window)
        receiving = asyncio.create_task(self._receive(task, first, requests, queue))
        draining = asyncio.create_task(self._drain.wait())
        try:
            while (begun := await _first_of(queue.get(), draining)) is not None:
                if isinstance(begun, Exception):
                    raise begun
                async for frame in self._workers.results(task, *begun, self._message_bytes):
                    yield frame
        # However this ends: a client that goes away shows as CancelledError, GeneratorExit or an error of gRPC's own.
        finally:
            draining.cancel()
            receiving.cancel()
            await asyncio.gather(receiving, draining, return_exceptions=True)
            _abandon(queue.rest())

    async def _receive(
        self,
        task: Task,
        first: Received,
        requests: AsyncIterator[Received],
        queue: _Queue,
    ) -> None:
        numbering = Numbering()
        try:
            request: Received | None = first
            while request is not None:
                _require_few(request.records)
                for batch in in_batches(numbering.number(request.records)):
                    await queue.wait_for_room()
                    queue.put(self._begin(task, batch))
                request = await anext(aiter(requests), None)
                if request is not None:
                    _require_no_opening(request)
        # What came before the fault is answered first.
        except Exception as error:
            queue.put(error)
        else:
            queue.put(None)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _window(self) -> int:
        """Returns how many batches a stream may have under way: its part of what there is memory for.

        One for each worker, one that is ready and one that is being sent are enough.
        """
        fair = self._memory.total_bytes // (_BATCH_COST_BYTES * max(1, self._streams))
        return max(_LEAST_WINDOW, min(self._workers.count + 2, fair))

    def _begin(self, task: Task, batch: Batch) -> _Begun:
        return _Begun(batch, self._workers.begin(task, batch, self._message_bytes))

    def _end_if_draining(self, sent: int) -> None:
        if self._drain.draining:
            raise Unavailable("the service is draining; go on with the records after these", next_record=sent)


async def _first_of(item: object, draining: asyncio.Task[None]) -> _Begun | Exception | None:
    """Returns what the queue gives, or None once the service drains."""
    getting = asyncio.ensure_future(item)  # type: ignore[arg-type]
    try:
        await asyncio.wait([getting, draining], return_when=asyncio.FIRST_COMPLETED)
        return getting.result() if getting.done() else None
    finally:
        getting.cancel()


def _abandon(begun: Sequence[_Begun | Exception | None]) -> None:
    for each in begun:
        if isinstance(each, _Begun):
            each.future.cancel()


def _require_no_opening(request: Received) -> None:
    for field in ("spec", "shared_memory"):
        if getattr(request, field) is not None:
            raise InvalidField(field, "one", "nothing, after the first message")


def _require_few(records: Sequence[Record]) -> None:
    if len(records) > MAX_RECORDS:
        raise InvalidField("records", f"{len(records)} records", f"at most {MAX_RECORDS} in a message")


def _require_fitting(size: int, limit: int) -> None:
    if size > limit:
        raise ResourceExhausted(
            f"the answer would take more than {limit} bytes: ask for fewer records at a time, or stream them",
            field="records",
            allowed=f"results of {limit} bytes",
        )
