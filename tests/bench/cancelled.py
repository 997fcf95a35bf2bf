"""Streams that are cancelled: how soon the service is free again, and whether its memory stays."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from bench.lab import TESTS, Lab, milliseconds

from synthmill.bench.workers import Process

_CANCELS_WITHIN_S = 900.0
_SLACK_S = 120.0
# Small, so that there are many streams in little time.
_CHUNK_BYTES = 1 << 16
_WARM_SHARE = 0.25


def measure(lab: Lab, model: str) -> dict[str, Any]:
    """Cancels streams, then mixes cancelled and finished ones and watches the service's memory.

    Returns:
        "free", "sample": percentiles in milliseconds, see `cancelling.cancel_all`; "batch_ms": mean time of a
        batch of the slowest size; "mib_per_hour": slope of the memory after the first quarter; "grown_mib": what that
        comes to over the rest; "cancelled", "finished": streams in the mix.
    """
    target, lengths = lab.target(model), lab.lengths
    given = {"address": target.address, "model": target.model, "request": target.stream_requests(1, _CHUNK_BYTES)[0]}
    with Process("bench.cancelling", {"PYTHONPATH": TESTS}) as cancelling:
        before = lab.batch_totals()
        cancelling.send({**given, "cancels": lengths.cancels})
        found = cancelling.receive(_CANCELS_WITHIN_S)
        batch_s = lab.slowest_batch_s(before)
        with _Watch(lab) as watch:
            cancelling.send({**given, "seconds": lengths.soak_s})
            counts = cancelling.receive(lengths.soak_s + _SLACK_S)
    slope = watch.mib_per_second()
    return {
        "streams": lengths.cancels,
        "free": milliseconds(found["free_s"]),
        "sample": milliseconds(found["sample_s"]),
        "batch_ms": batch_s * 1000,
        "seconds": lengths.soak_s,
        "mib_per_hour": slope * 3600,
        "grown_mib": slope * lengths.soak_s * (1 - _WARM_SHARE),
        **counts,
    }


def report(found: dict[str, Any]) -> str:
    """Says in words what was found."""
    free, sample = found["free"], found["sample"]
    return (
        f"  {found['streams']:,} streams cancelled: no call left after p50 {free['p50_ms']:.1f} ms, "
        f"p99 {free['p99_ms']:.1f} ms, at most {free['max_ms']:.1f} ms; a sample asked for right then came after "
        f"p50 {sample['p50_ms']:.1f} ms, p99 {sample['p99_ms']:.1f} ms (a batch takes {found['batch_ms']:.1f} ms)\n"
        f"  {found['cancelled']:,} cancelled and {found['finished']:,} finished streams in {found['seconds']:.0f} s: "
        f"memory grows by {found['mib_per_hour']:+.1f} MiB an hour, {found['grown_mib']:+.1f} MiB in all"
    )


class _Watch:
    """Notes a service's memory every second; used in a with block."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._seen: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def mib_per_second(self) -> float:
        """Returns the slope of a line through what was seen after the first quarter."""
        times, memory = np.array(self._seen[int(len(self._seen) * _WARM_SHARE) :]).T
        return float(np.polyfit(times, memory, 1)[0])

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            self._seen.append((time.monotonic(), self._lab.memory_mib()))
