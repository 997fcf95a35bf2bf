"""Calls through the SDK, one after the other."""

from __future__ import annotations

import itertools
from typing import Any

from synthmill.bench.augmentation.records import load_records
from synthmill.bench.augmentation.target import Task
from synthmill.bench.span import Span, repeat
from synthmill.bench.statistics import latency_figures


def call_records(task: dict[str, Any], batch: int, warm_s: float, span: dict[str, Any]) -> dict[str, float]:
    """Has a few records augmented at a time, and tells the latency of a call.

    Args:
        task: fields of `Task`.
        batch: records of a call.
        warm_s: time that does not count.
        span: fields of `Span`.
    """
    from synthmill.client import Client

    given = Task(**task)
    source, how = itertools.cycle(load_records(given.records)), given.how()
    with Client(augmentation_address=given.address) as client:

        def call() -> int:
            return len(client.augmentation.augment_records(list(itertools.islice(source, batch)), **how))

        done = repeat(call, warm_s, Span(**span))
    return {"images_per_s": done.count / done.seconds, **latency_figures(done.latencies_us)}
