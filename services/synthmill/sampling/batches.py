"""Fixed batch sizes: why a sample has the same bytes whatever it is asked for with.

The last bit of a float may depend on the size of the batch: kernels are picked by shape, and a vectorised function may
round the elements left over at the end of an array in another way than the rest. So a graph is only ever run with a few
batch sizes, the buckets; a request is cut into them and the last one is filled up.

Measured on ONNX Runtime 1.32 on x86-64: Gemm, MatMul, Conv and most functions give the same bits for batches of 1, 2,
3, 5 and 64; Log, Sin, Cos, Softplus and Elu differ in up to 1 % of the values, unless the array's length is a multiple
of the vector's. A finished column of bytes hides such a difference nearly always, so that a comparison would not find
it. Hence a graph says itself which batch its operators make safe, and smaller ones are not even tried.

When a model is loaded, the buckets compute the same probe samples at different places in the batch; a bucket whose
bytes differ from those of the reference is not used. The reference is the same on every replica, however fast it is, so
replicas agree; which of the agreeing buckets are put to use depends on what they cost.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Columns = dict[str, np.ndarray]
Run = Callable[[np.ndarray], Columns]
"""Computes one batch: int64 (B,) indices to columns of B samples."""

BUCKETS = (1, 4, 16, 64, 256, 1024)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Which batch sizes suit a provider.

    Attributes:
        sizes: batch sizes to try, ascending.
        max_bytes: what a batch may make.
        exact_kernels: whether the provider's kernels hardly depend on the batch.
        probe_batches: most batches that a size is compared by.
    """

    sizes: tuple[int, ...]
    max_bytes: int
    exact_kernels: bool
    probe_batches: int


# A batch of large samples takes no longer than one of many small samples, and is about a chunk of a stream.
CPU_LIMITS = Limits(BUCKETS, 1 << 20, exact_kernels=True, probe_batches=16)
# A GPU wants more work at a time: the measured time of a batch decides how much. A batch is still a chunk, and with its
# labels must fit a message of 4 MiB. Kernels are picked by size, and no list of operators tells which agree: rounded to
# 256 levels, another order of a sum shows in a few values of a million, so millions are compared.
GPU_LIMITS = Limits((*BUCKETS[1:], 4096, 16384), 7 << 19, exact_kernels=False, probe_batches=1024)

# Fewest samples that a bucket is compared by, unless that takes too many batches.
_PROBE_SAMPLES = 256
# Large enough for the usual kernels, and soon done by the slowest models.
_REFERENCE = 64
# Enough rounds for the least time to be that of an idle machine, and an end for slow models.
_TIMING_ROUNDS = 15
_TIMING_S = 0.3
# A batch that takes longer lets urgent requests wait for too long.
_MAX_BATCH_S = 0.025
# Urgent requests are gathered up to a batch that takes so long, so that two of them are over within a longest one.
_MAX_URGENT_S = 0.0125
# The event loop computes a group of requests itself if that takes no longer, and one request hardly anything: to hand
# them to another thread and to take the answers back would cost more.
_MAX_INLINE_S = 0.001
_MAX_INLINE_REQUEST_S = 0.0003
# A bucket that costs this much more per sample than the best one is as good, and gives way sooner.
_GOOD_ENOUGH = 1.03

# The pace follows the last few dozen batches; one that was held up does not upset it.
_PACE_WEIGHT = 0.03
_MAX_PACE = 20.0

_log = logging.getLogger(__name__)


def usable_buckets(limits: Limits, sample_bytes: int, smallest: int = 1) -> tuple[int, ...]:
    """Returns the batch sizes for samples of a size, ascending; they depend on nothing else, so replicas agree.

    Args:
        limits: those of the provider.
        sample_bytes: size of a sample; those so large that even the smallest bucket is too much come one at a time.
        smallest: size below which the graph's operators may round in another way.
    """
    safe = [bucket for bucket in limits.sizes if bucket >= smallest]
    return tuple(bucket for bucket in safe if bucket * sample_bytes <= limits.max_bytes) or (1,)


def reference_bucket(buckets: Sequence[int], exact_kernels: bool) -> int:
    """Returns the bucket that the others are compared with.

    Args:
        buckets: batch sizes in ascending order.
        exact_kernels: whether the provider's kernels hardly depend on the batch; if they do, the largest bucket is the
            reference, since it is the one that must not be lost.
    """
    return max(bucket for bucket in buckets if bucket <= _REFERENCE) if exact_kernels else buckets[-1]


def measure_buckets(
    run: Run, buckets: Sequence[int], reference: int, model: str, probe_batches: int = CPU_LIMITS.probe_batches
) -> dict[int, float]:
    """Runs the buckets and returns the seconds that a batch takes, for those that give each sample the same bytes.

    Buckets above the reference that would take far too long are left out without a trial. One that depends on the place
    in the batch cannot be the reference; the next smaller one is then. Never returns nothing.

    Args:
        run: computes a batch.
        buckets: batch sizes in ascending order.
        reference: the one that the others are compared with.
        model: name for the log.
        probe_batches: most batches that a bucket is compared by.
    """
    seconds: dict[int, float] = {}

    def timed(index: np.ndarray) -> Columns:
        began = time.perf_counter()
        columns = run(index)
        elapsed_s = time.perf_counter() - began
        seconds[len(index)] = min(elapsed_s, seconds.get(len(index), elapsed_s))
        return columns

    expected = _compute_reference(timed, reference)
    while not _matches(timed, expected, reference, probe_batches) and reference > buckets[0]:
        _log.warning("%s: batches of %d depend on the place in the batch and are not used", model, reference)
        buckets = [bucket for bucket in buckets if bucket < reference]
        reference = buckets[-1]
        expected = _compute_reference(timed, reference)
    kept = [reference]
    for bucket in sorted(set(buckets) - {reference}):
        if seconds[reference] * bucket / reference > 2 * _MAX_BATCH_S and bucket > reference:
            continue
        if _matches(timed, expected, bucket, probe_batches):
            kept.append(bucket)
        else:
            _log.warning("%s: batches of %d differ from batches of %d and are not used", model, bucket, reference)
    _time_in_turns(timed, sorted(kept))
    return {bucket: seconds[bucket] for bucket in sorted(kept)}


class BatchPlanner:
    """Cuts numbers of samples into batches, by what each bucket was measured to cost.

    Args:
        seconds: time of a batch by bucket.

    Attributes:
        bulk: bucket for long runs: the cheapest per sample that is over soon.
        urgent: most samples of a request that goes first, and bucket that such requests are gathered up to: the largest
            that is over sooner still.
        inline: bucket up to which the event loop computes them itself; 0 if it does not.
        pace: what batches cost of late, as a multiple of what was measured; above 1 while the machine is busy.
    """

    def __init__(self, seconds: Mapping[int, float]) -> None:
        quick = {bucket: s for bucket, s in seconds.items() if s <= _MAX_BATCH_S} or {
            min(seconds): seconds[min(seconds)]
        }
        cost = {bucket: s / bucket for bucket, s in quick.items()}
        best = min(cost.values())
        self._seconds = quick
        self.bulk = min(bucket for bucket in cost if cost[bucket] <= best * _GOOD_ENOUGH)
        self.urgent = max((bucket for bucket in quick if quick[bucket] <= _MAX_URGENT_S), default=min(quick))
        tiny = min(quick.values()) <= _MAX_INLINE_REQUEST_S
        self.inline = max(bucket for bucket in quick if quick[bucket] <= _MAX_INLINE_S) if tiny else 0
        self.pace = 1.0
        self._seconds_per_sample = cost[self.bulk]
        self._plan_rest = functools.cache(self._cheapest)

    @property
    def seconds_per_sample(self) -> float:
        """What a sample costs in the bulk bucket, at the present pace."""
        return self._seconds_per_sample * self.pace

    def note(self, bucket: int, seconds: float) -> None:
        """Takes notice of what a batch has cost."""
        self.pace += _PACE_WEIGHT * (min(seconds / self._seconds[bucket], _MAX_PACE) - self.pace)

    def seconds(self, bucket: int) -> float:
        """Returns the time of a batch."""
        return self._seconds[bucket]

    def plan(self, count: int) -> list[int]:
        """Cuts a number of samples into batches; their sum is at least `count`, and only the last has room to spare."""
        whole, rest = divmod(count, self.bulk)
        return [self.bulk] * whole + list(self._plan_rest(rest))

    def _cheapest(self, count: int) -> tuple[int, ...]:
        """Returns the cheapest batches for fewer samples than the bulk bucket holds."""
        if not count:
            return ()
        filled = min(bucket for bucket in self._seconds if bucket >= count)
        smaller = [bucket for bucket in self._seconds if bucket < count]
        if not smaller:
            return (filled,)
        whole, rest = divmod(count, max(smaller))
        cut = (max(smaller),) * whole + self._plan_rest(rest)
        return min((filled,), cut, key=lambda batches: sum(self._seconds[bucket] for bucket in batches))


def fill_up(values: np.ndarray, size: int) -> np.ndarray:
    """Repeats the last value until there are `size` of them."""
    return np.pad(values, (0, size - len(values)), mode="edge") if len(values) < size else values


def _time_in_turns(run: Run, buckets: Sequence[int]) -> None:
    """Runs all buckets again and again: the least time counts, so that no busy moment decides."""
    end = time.perf_counter() + _TIMING_S
    for _ in range(_TIMING_ROUNDS):
        for bucket in buckets:
            run(np.arange(bucket, dtype=np.int64))
        if time.perf_counter() > end:
            return


def _compute_reference(run: Run, bucket: int) -> Columns:
    """Computes the probe samples, those of the first indices, in batches of a bucket."""
    starts = range(0, max(bucket, _PROBE_SAMPLES), bucket)
    batches = [run(np.arange(start, start + bucket, dtype=np.int64)) for start in starts]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _matches(run: Run, expected: Columns, bucket: int, probe_batches: int) -> bool:
    """Computes probe samples in batches of a bucket, each at another place than in the reference."""
    count = len(next(iter(expected.values())))
    places = np.roll(np.arange(max(count, bucket), dtype=np.int64), bucket // 2 + 1)[: bucket * probe_batches]
    for start in range(0, len(places), bucket):
        index = places[start : start + bucket]
        known = index < count
        found = run(fill_up(index, bucket))
        if not all(
            _same_bytes(found[name][: len(index)][known], column[index[known]]) for name, column in expected.items()
        ):
            return False
    return True


def _same_bytes(first: np.ndarray, second: np.ndarray) -> bool:
    if first.dtype == object:
        return bool((first == second).all())
    return first.tobytes() == second.tobytes()
