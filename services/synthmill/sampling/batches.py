"""Fixed batch sizes: why a sample has the same bytes whatever it is asked for with.

The last bit of a float may depend on the size of the batch: kernels are picked by shape, and a vectorised function may
round the elements left over at the end of an array in another way than the rest. So a graph is only ever run with a few
batch sizes, the buckets; a request is cut into them and the last one is filled up.

All of them are multiples of 16, the floats of the widest vector registers in use, so that nothing is left over.
Measured on ONNX Runtime 1.32 with AVX2: Log, Sin, Softplus and Elu differ in up to 1 % of the values between batches of
1, 2, 3 or 7 and batches of 1024, and in none between multiples of 8. A finished column of bytes hides such a difference
nearly always, hence these sizes are not even tried.

When a model is loaded, all buckets compute the same probe samples at different places in the batch; a bucket whose
bytes differ from the reference, the largest one that agrees with itself, is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

Columns = dict[str, np.ndarray]
Run = Callable[[np.ndarray], Columns]
"""Computes one batch: int64 (B,) indices to columns of B samples."""

BUCKETS = (16, 64, 256, 1024)

# A batch makes at most this much, so that one of large samples takes no longer than one of many small samples.
_MAX_BATCH_BYTES = 1 << 20
# Batches that a small bucket computes of the probe.
_PROBE_BATCHES = 16

_log = logging.getLogger(__name__)


def usable_buckets(sample_bytes: int) -> tuple[int, ...]:
    """Returns the batch sizes for samples of a size, ascending; they depend on nothing else, so replicas agree.

    Samples so large that even the smallest bucket is too much are computed one at a time.
    """
    return tuple(bucket for bucket in BUCKETS if bucket * sample_bytes <= _MAX_BATCH_BYTES) or (1,)


def agreeing_buckets(run: Run, buckets: Sequence[int], model: str) -> tuple[int, ...]:
    """Runs every bucket, and returns those that give each probe sample the same bytes; never none.

    Args:
        run: computes a batch.
        buckets: batch sizes in ascending order.
        model: name for the log.
    """
    candidates = list(buckets)
    probe = np.arange(candidates[-1], dtype=np.int64)
    reference = run(probe)
    while len(candidates) > 1 and not _matches(run, reference, candidates[-1]):
        _log.warning("%s: batches of %d depend on the place in the batch and are not used", model, candidates.pop())
        reference = run(probe[: candidates[-1]])
    agreeing = [bucket for bucket in candidates[:-1] if _matches(run, reference, bucket)]
    for bucket in sorted(set(candidates[:-1]) - set(agreeing)):
        _log.warning("%s: batches of %d differ from batches of %d and are not used", model, bucket, candidates[-1])
    return (*agreeing, candidates[-1])


def plan_batches(count: int, buckets: Sequence[int]) -> list[int]:
    """Cuts a number of samples into batches; their sum is at least `count`, and only the last has room to spare.

    A bucket is filled up when more than half of it is used, unless smaller ones fit without a rest, which costs less.
    """
    batches = []
    while count > 0:
        fitting = [bucket for bucket in buckets if bucket <= count]
        larger = next((bucket for bucket in buckets if bucket >= count), None)
        if larger is not None and (not fitting or (2 * count > larger and count % fitting[-1])):
            return [*batches, larger]
        batches.append(fitting[-1])
        count -= fitting[-1]
    return batches


def whole_batches(count: int, buckets: Sequence[int]) -> int:
    """Returns the greatest number up to `count` that batches of one bucket make; at least the smallest bucket."""
    bucket = max((bucket for bucket in buckets if bucket <= count), default=buckets[0])
    return max(count // bucket, 1) * bucket


def fill_up(values: np.ndarray, size: int) -> np.ndarray:
    """Repeats the last value until there are `size` of them."""
    return np.pad(values, (0, size - len(values)), mode="edge") if len(values) < size else values


def _matches(run: Run, reference: Columns, bucket: int) -> bool:
    """Computes probe samples in batches of a bucket, each at another place than in the reference."""
    size = len(next(iter(reference.values())))
    places = np.roll(np.arange(size, dtype=np.int64), size // 2 + 1)[: bucket * _PROBE_BATCHES]
    for start in range(0, len(places), bucket):
        index = places[start : start + bucket]
        found = run(fill_up(index, bucket))
        if not all(_same_bytes(found[name][: len(index)], column[index]) for name, column in reference.items()):
            return False
    return True


def _same_bytes(first: np.ndarray, second: np.ndarray) -> bool:
    if first.dtype == object:
        return bool((first == second).all())
    return first.tobytes() == second.tobytes()
