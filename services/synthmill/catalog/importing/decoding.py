"""Decodes items on all cores, in order, with a bounded number of them in memory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from synthmill.kinds.base import Columns, Item, Kind, Rejection, Schema

_CHUNK_ITEMS = 256
_CHUNK_BYTES = 16 * 1024 * 1024
_DIGEST_BYTES = 16

Found = tuple[int, Item | Rejection]
"""An item and its position in the source."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a record comes from: its position in the source, its name, and what the source says of it."""

    position: int
    source: str
    label: str | None
    split: str | None


@dataclasses.dataclass(frozen=True)
class Chunk:
    """The outcome of a run of items.

    Attributes:
        origins: of the records, in source order.
        columns: the records, (N, ...) each; empty if there are none.
        digests: uint64 (N, 2), equal for equal records.
        fingerprints: uint64 (N,), see `Kind.fingerprint`.
        rejections: the other items, with their positions.
        traits: how often each (name, value) of `Record.traits` occurred.
    """

    origins: list[Origin]
    columns: Columns
    digests: np.ndarray
    fingerprints: np.ndarray
    rejections: list[tuple[int, Rejection]]
    traits: Counter[tuple[str, str]]


def decode_all(kind: Kind, schema: Schema, parameters: Any, found: Iterable[Found]) -> Iterator[Chunk]:
    """Decodes all items and yields the outcomes in source order."""
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[Future[Chunk]] = deque()
    try:
        for run in _runs(found):
            waiting.append(pool.submit(_decode_run, kind, schema, parameters, run))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _runs(found: Iterable[Found]) -> Iterator[list[Found]]:
    run: list[Found] = []
    size_bytes = 0
    for position, item in found:
        run.append((position, item))
        size_bytes += item.size_bytes if isinstance(item, Item) else 0
        if len(run) >= _CHUNK_ITEMS or size_bytes >= _CHUNK_BYTES:
            yield run
            run, size_bytes = [], 0
    if run:
        yield run


def _decode_run(kind: Kind, schema: Schema, parameters: Any, run: list[Found]) -> Chunk:
    origins, records, rejections = [], [], []
    traits: Counter[tuple[str, str]] = Counter()
    for position, item in run:
        outcome = item if isinstance(item, Rejection) else kind.decode(item, schema, parameters)
        if isinstance(outcome, Rejection):
            rejections.append((position, outcome))
            continue
        origins.append(Origin(position, item.source, item.label, item.split))
        records.append(outcome.columns)
        traits.update(outcome.traits.items())
    columns = {
        name: np.stack([record[name] for record in records]) if records else np.empty((0, *shape), dtype)
        for name, (dtype, shape) in kind.columns(schema).items()
    }
    return Chunk(origins, columns, _digests(columns), kind.fingerprint(columns), rejections, traits)


def _digests(columns: Columns) -> np.ndarray:
    count = len(next(iter(columns.values())))
    digests = bytearray()
    for row in range(count):
        hasher = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for column in columns.values():
            hasher.update(column[row].tobytes())
        digests += hasher.digest()
    return np.frombuffer(bytes(digests), np.uint64).reshape(count, 2)
