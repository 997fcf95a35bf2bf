"""Works at records in threads: a batch of them goes from messages to messages in one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from synthmill.augmentation import metrics
from synthmill.augmentation.frames import EncodedResult, Frame, encode_failure, encode_result, in_frames
from synthmill.augmentation.opening import Task
from synthmill.augmentation.received import Record
from synthmill.augmentation.records import require_index, to_example
from synthmill.augmentation.results import POSTPONED
from synthmill.runtime.errors import SynthmillError

MAX_BATCH_RECORDS = 256
# A batch is planned in a few array operations, which cost as much for one record as for many: about a millisecond. And
# batches are what runs side by side.
MAX_BATCH_BYTES = 4 << 20
_LEAST_BATCH_BYTES = 512 << 10

CHUNK_BYTES = 1 << 20
"""Size of messages to aim at."""

DECODED_BYTES = 16 << 20
"""What the records of a batch may take once decoded, and its results; the last one of each may go beyond."""


@dataclasses.dataclass(frozen=True)
class Indexed:
    """A record and its index."""

    index: int
    record: Record


Batch = Sequence[Indexed]


class Numbering:
    """Gives records their indices: their own, or one more than that of the record before."""

    def __init__(self) -> None:
        self._next = 0

    def number(self, records: Iterable[Record]) -> list[Indexed]:
        """Returns the next records with their indices."""
        numbered = []
        for record in records:
            index = self._next if record.index is None else record.index
            self._next = index + 1
            numbered.append(Indexed(index, record))
        return numbered


def in_batches(records: Sequence[Indexed], workers: int = 1) -> Iterator[Batch]:
    """Divides records into batches.

    Args:
        workers: batches that can be worked at side by side; records are divided further if that occupies all.
    """
    sizes = [each.record.size for each in records]
    limit = min(MAX_BATCH_BYTES, max(_LEAST_BATCH_BYTES, sum(sizes) // workers))
    batch: list[Indexed] = []
    size = 0
    for each, added in zip(records, sizes, strict=True):
        # As near to the limit as whole records come: of a message of just this size, no record is left alone.
        if batch and (len(batch) == MAX_BATCH_RECORDS or size + added / 2 > limit):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += added
    if batch:
        yield batch


def work(task: Task, batch: Batch, limit_bytes: int) -> list[Frame]:
    """Returns the results of the first records of a batch, at least one of them; in order.

    Args:
        limit_bytes: size of a message.
    """
    with metrics.BATCH_SECONDS.time():
        return _work(task, batch, limit_bytes)


def _work(task: Task, batch: Batch, limit_bytes: int) -> list[Frame]:
    outcomes = _decode(task, batch)
    good = [row for row, outcome in enumerate(outcomes) if not isinstance(outcome, SynthmillError)]
    examples, indices = [outcomes[row] for row in good], [batch[row].index for row in good]
    if good:
        for row, outcome in zip(good, task.augmenter.attempt(examples, indices, task.seed), strict=True):
            outcomes[row] = outcome
    return list(in_frames(_encode(task, batch, outcomes, limit_bytes), CHUNK_BYTES, limit_bytes))


def _encode(task: Task, batch: Batch, outcomes: Sequence[Any], limit_bytes: int) -> Iterator[EncodedResult]:
    for each, outcome in zip(batch, outcomes, strict=False):
        if outcome is POSTPONED:
            return
        if isinstance(outcome, SynthmillError):
            metrics.FAILED.inc()
            yield encode_failure(each.index, outcome)
        else:
            metrics.AUGMENTED.inc()
            yield encode_result(each.index, task.augmentation.to_arrays(outcome), limit_bytes)


def _decode(task: Task, batch: Batch) -> list[Any]:
    """Returns examples, or errors in their places, of the first records of a batch."""
    outcomes: list[Any] = []
    size = 0
    for each in batch:
        if size >= DECODED_BYTES:
            break
        try:
            require_index(each.index)
            example = to_example(task.kind, task.augmentation, each.record.arrays)
        except SynthmillError as error:
            outcomes.append(error)
        else:
            outcomes.append(example)
            size += sum(array.nbytes for array in task.augmentation.to_arrays(example).values())
    return outcomes


class Workers:
    """The threads that records are worked at in; belongs to one event loop.

    Args:
        count: batches that are worked at side by side.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="augment")

    def begin(self, task: Task, batch: Batch, limit_bytes: int) -> asyncio.Future[list[Frame]]:
        """Puts a batch in the queue; its results are those of `work`."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work, task, batch, limit_bytes)

    async def results(
        self, task: Task, batch: Batch, begun: asyncio.Future[list[Frame]], limit_bytes: int
    ) -> AsyncIterator[Frame]:
        """Yields the results of a batch that was begun.

        If they are large, what comes after some of them is begun once these were taken, so that no more than a part of
        them is in memory.
        """
        while batch:
            frames = await begun
            batch = batch[sum(frame.count for frame in frames) :]
            for frame in frames:
                yield frame
            if batch:
                begun = self.begin(task, batch, limit_bytes)

    async def stop(self) -> None:
        """Ends the threads, once they are done with what they have begun."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
