"""Batches of records, which go from messages to messages in one thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synthmill.augmentation.frames import (
    EncodedResult,
    Frame,
    encode_failure,
    encode_result,
    encode_result_in_block,
    in_frames,
)
from synthmill.augmentation.lent import read_tensors
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
            yield encode_failure(each.index, outcome)
        else:
            yield _encode_result(task, each, task.augmentation.to_arrays(outcome), limit_bytes)


def _encode_result(task: Task, each: Indexed, arrays: Mapping[str, np.ndarray], limit_bytes: int) -> EncodedResult:
    block = each.record.result_block
    if task.memory is not None and block is not None and task.memory.write(block, arrays):
        return encode_result_in_block(each.index, arrays)
    return encode_result(each.index, arrays, limit_bytes)


def _decode(task: Task, batch: Batch) -> list[Any]:
    """Returns examples, or errors in their places, of the first records of a batch."""
    outcomes: list[Any] = []
    size = 0
    for each in batch:
        if size >= DECODED_BYTES:
            break
        try:
            require_index(each.index)
            tensors = read_tensors(task.memory, each.record)
            example = to_example(task.kind, task.augmentation, tensors)
        except SynthmillError as error:
            outcomes.append(error)
        else:
            outcomes.append(example)
            size += sum(array.nbytes for array in task.augmentation.to_arrays(example).values())
    return outcomes
