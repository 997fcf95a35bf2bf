"""More is asked for than can be computed: what is still answered, and how soon the rest is refused."""

from __future__ import annotations

from typing import Any

from bench.lab import Lab, closed_loop, open_loop

from synthmill.bench.workers import Worker

CLIENTS = 64
TIMES = 3.0
_PEAK_S = 10.0


def measure(lab: Lab, model: str) -> dict[str, Any]:
    """Offers three times the peak, and measures the peak before and after.

    Returns:
        "peak", "overload": figures of requests; "goodput_share": samples a second answered in the overload, as a share
        of the mean peak.
    """
    target = lab.target(model)
    peak_s = min(_PEAK_S, max(lab.lengths.overload_s / 4, 1.0))
    with Worker() as worker:
        before = closed_loop(worker, target, CLIENTS, peak_s)
        overload = open_loop(worker, target, TIMES * before["requests_per_s"], lab.lengths.overload_s)
        after = closed_loop(worker, target, CLIENTS, peak_s)
    peak = (before["samples_per_s"] + after["samples_per_s"]) / 2
    return {"peak": before, "overload": overload, "after": after, "goodput_share": overload["samples_per_s"] / peak}


def report(found: dict[str, Any]) -> str:
    """Says in words what was found."""
    peak, overload, after = found["peak"], found["overload"], found["after"]
    return "\n".join(
        [
            f"  peak, {CLIENTS} clients: {peak['requests_per_s']:,.0f} requests/s, "
            f"{peak['samples_per_s']:,.0f} samples/s before, {after['samples_per_s']:,.0f} after",
            f"  offered {overload['offered_per_s']:,.0f} requests/s at random times: "
            f"{overload['requests_per_s']:,.0f} answered in time, {overload['samples_per_s']:,.0f} samples/s, "
            f"p50 {overload.get('p50_ms', 0):,.0f} ms, p99 {overload.get('p99_ms', 0):,.0f} ms",
            f"  goodput {found['goodput_share']:.3f} of the peak; {overload['refused']:,} refused, median "
            f"{overload.get('refused_p50_ms', 0):,.1f} ms, p99 {overload.get('refused_p99_ms', 0):,.1f} ms; "
            f"{overload['failed']:,} failed {overload.get('failures', '')}",
            f"  the load itself was late by {overload['late_p99_ms']:.1f} ms at p99, "
            f"and busy {overload['client_busy']:.0%}",
        ]
    )
