"""Fixed batch sizes: why a sample has the same bytes whatever it is asked for with.

ONNX Runtime picks kernels by the shapes it sees, and another kernel may sum in another order and change the last bit of a
float. So a graph is only ever run with a few batch sizes, the buckets. A request is cut into them and the last one is
filled up. When a model is loaded, all buckets compute the same probe samples at different places in the batch; a bucket
whose bytes differ from the reference, the largest one that agrees with itself, is not used. One sample alone always agrees with
itself, so what remains is never empty.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

Columns = dict[str, np.ndarray]
Run = Callable[[np.ndarray], Columns]
"""Computes one batch: int64 (B,) indices to columns of B samples."""

BUCKETS = (1, 8, 64, 256, 1024)

# A bucket makes at most this much, so that a batch of large samples takes no longer than one of many small samples.
_MAX_BATCH_BYTES = 1 << 20
# Batches that a small bucket computes of the probe.
_PROBE_BATCHES = 32

_log = logging.getLogger(__name__)


def usable_buckets(sample_bytes: int) -> tuple[int, ...]:
    """Returns the batch sizes for samples of a size; they depend on nothing else, so replicas agree."""
    return tuple(bucket for bucket in BUCKETS if bucket == 1 or bucket * sample_bytes <= _MAX_BATCH_BYTES)


def agreeing_buckets(run: Run, buckets: Sequence[int], model: str) -> tuple[int, ...]:
    """Runs every bucket, and returns those that give each probe sample the same bytes.

    Args:
        run: computes a batch.
        buckets: batch sizes in ascending order, from 1.
        model: name for the log.
    """
    rest = list(buckets)
    while len(rest) > 1:
        probe = np.arange(rest[-1], dtype=np.int64)
        reference = run(probe)
        if _matches(run, reference, rest[-1]):
            break
        _log.warning("%s: batches of %d depend on the place in the batch and are not used", model, rest.pop())
    else:
        return tuple(rest)
    agreeing = [bucket for bucket in rest[:-1] if _matches(run, reference, bucket)]
    for bucket in sorted(set(rest[:-1]) - set(agreeing)):
        _log.warning("%s: batches of %d differ from batches of %d and are not used", model, bucket, rest[-1])
    return (*agreeing, rest[-1])


def plan_batches(count: int, buckets: Sequence[int]) -> list[int]:
    """Cuts a number of samples into batches; their sum is at least `count`, and only the last has room to spare.

    A bucket is filled up when at least half of it is used; else smaller ones come first, which costs less.
    """
    batches = []
    while count > 0:
        fitting = [bucket for bucket in buckets if bucket <= count]
        larger = next((bucket for bucket in buckets if bucket >= count), None)
        if larger is not None and (not fitting or 2 * count >= larger):
            return [*batches, larger]
        batches.append(fitting[-1])
        count -= fitting[-1]
    return batches


def round_to_batches(count: int, buckets: Sequence[int]) -> int:
    """Returns the greatest number up to `count` that whole batches of the largest fitting bucket make, at least 1."""
    fitting = [bucket for bucket in buckets if bucket <= count]
    return count // fitting[-1] * fitting[-1] if fitting else max(count, 1)


def _matches(run: Run, reference: Columns, bucket: int) -> bool:
    """Computes probe samples in batches of a bucket, each at another place than in the reference."""
    size = len(next(iter(reference.values())))
    places = np.roll(np.arange(size, dtype=np.int64), size // 2 + 1)[: bucket * _PROBE_BATCHES]
    for start in range(0, len(places), bucket):
        index = places[start : start + bucket]
        found = run(np.resize(index, bucket))
        for name, column in reference.items():
            if not _same_bytes(found[name][: len(index)], column[index]):
                return False
    return True


def _same_bytes(first: np.ndarray, second: np.ndarray) -> bool:
    if first.dtype == object:
        return bool((first == second).all())
    return np.ascontiguousarray(first).tobytes() == np.ascontiguousarray(second).tobytes()
