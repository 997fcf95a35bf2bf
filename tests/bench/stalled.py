"""Readers that stop reading: what each costs the service, and what the others notice."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from bench.lab import TESTS, Lab, closed_loop

from synthmill.bench.workers import Process, Worker

HEALTHY_CLIENTS = 8
_BEGIN_WITHIN_S = 120.0
_SETTLE_S = 2.0
_SETTLES_WITHIN_S = 60.0
_SETTLED_MIB = 2.0


def measure(lab: Lab, model: str) -> dict[str, Any]:
    """Measures healthy clients without and with stalled readers beside them, and the memory in between.

    Returns:
        "mib_per_reader": growth of the service's memory for each reader; "before", "during": p99 of the healthy
        clients in milliseconds; "ratio": of those; "refused", "failed": of the healthy clients' requests.
    """
    target, lengths = lab.target(model), lab.lengths
    with Worker() as worker:

        def healthy() -> list[dict]:
            return [closed_loop(worker, target, HEALTHY_CLIENTS, lengths.seconds) for _ in range(lengths.rounds)]

        before = healthy()
        memory_mib = lab.memory_mib()
        with Process("bench.stalling", {"PYTHONPATH": TESTS}) as stalling:
            stalling.send({"address": target.address, "requests": target.stream_requests(lengths.readers)})
            stalling.receive(_BEGIN_WITHIN_S)
            grown_mib = _settled_mib(lab) - memory_mib
            during = healthy()
    p99_before, p99_during = (median(figures["p99_ms"] for figures in found) for found in (before, during))
    return {
        "readers": lengths.readers,
        "mib_per_reader": grown_mib / lengths.readers,
        "before": p99_before,
        "during": p99_during,
        "ratio": p99_during / p99_before,
        "rate_before": median(figures["requests_per_s"] for figures in before),
        "rate_during": median(figures["requests_per_s"] for figures in during),
        "refused": sum(figures["refused"] for figures in during),
        "failed": sum(figures["failed"] for figures in during),
    }


def report(found: dict[str, Any]) -> str:
    """Says in words what was found."""
    return (
        f"  {found['readers']} stalled readers: {found['mib_per_reader']:.1f} MiB each\n"
        f"  {HEALTHY_CLIENTS} healthy clients: p99 {found['before']:.1f} ms before, {found['during']:.1f} ms "
        f"beside them ({found['ratio']:.2f} times); {found['rate_before']:,.0f} and "
        f"{found['rate_during']:,.0f} requests/s; {found['refused']} refused, {found['failed']} failed"
    )


def _settled_mib(lab: Lab) -> float:
    """Waits until the service has sent all that it can, and returns its memory."""
    end, last = time.monotonic() + _SETTLES_WITHIN_S, 0.0
    while time.monotonic() < end:
        now = lab.memory_mib()
        if abs(now - last) < _SETTLED_MIB:
            break
        last = now
        time.sleep(_SETTLE_S)
    return lab.memory_mib()
