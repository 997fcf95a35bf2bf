"""The engine that the service is compared with: the same policy in a process, without a wire."""

from __future__ import annotations

import itertools
from typing import Any

from synthmill.bench.augmentation.records import load_records, size_bytes
from synthmill.bench.augmentation.target import Task
from synthmill.bench.span import Span, repeat
from synthmill.runtime.errors import FailedPrecondition
from synthmill.v1 import policy_pb2

ONE_THREAD = {"OPENCV_FOR_THREADS_NUM": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of a process whose libraries start no threads of their own."""

_MOST_RECORDS = 256
_BATCH_BYTES = 8 << 20


def why_not_here(policy: policy_pb2.Policy) -> str:
    """Returns why a policy cannot be applied without a service; empty if it can."""
    from synthmill.client import AugmentedDataset

    try:
        AugmentedDataset([], policy)
    except FailedPrecondition as error:
        return error.message
    return ""


def augment_here(task: dict[str, Any], warm_s: float, span: dict[str, Any]) -> dict[str, float]:
    """Augments records in this process, many at a time, as an `AugmentedDataset` without a client does.

    Args:
        task: fields of `Task`.
        warm_s: time that does not count.
        span: fields of `Span`.
    """
    from synthmill.client import AugmentedDataset

    given = Task(**task)
    records = load_records(given.records)
    augmented = AugmentedDataset(records, given.read_policy())
    batch = max(1, min(_MOST_RECORDS, _BATCH_BYTES // size_bytes(records[0])))
    positions = itertools.cycle(range(len(records)))

    def augment() -> int:
        return len(augmented.__getitems__(list(itertools.islice(positions, batch))))

    done = repeat(augment, warm_s, Span(**span))
    return {
        "images_per_s": done.count / done.seconds,
        "images_per_cpu_s": done.count / done.cpu_s,
        "batch": batch,
    }
