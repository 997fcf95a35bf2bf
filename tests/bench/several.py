"""The service in one process and in two, in turns: small requests over many connections, and streams."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.lab import MODELS, Lab

from synthmill.bench.arrivals import add_up
from synthmill.bench.sampling.probes import request_figures
from synthmill.bench.sampling.target import Target
from synthmill.bench.statistics import Figures
from synthmill.bench.workers import Worker, call_together, split

CLIENTS = 64
# The model, and the number of processes that the requests come from.
REQUESTS = (("mlp32", 1), ("mlp32", 2), ("conv28", 1))
STREAMS = (1, 4)
_WITHIN_S = 120.0

Key = tuple[str, str, int]
"""What is measured, the model, and how many: "requests" come from processes, "streams" are streams."""


def measure(labs: Sequence[Lab]) -> dict[Key, list[list[Figures]]]:
    """Measures services in turns, as often as there are rounds.

    Args:
        labs: the services to compare.

    Returns:
        by what was measured, the figures of each round, those of the services in their order.
    """
    found: dict[Key, list[list[Figures]]] = collections.defaultdict(list)
    sides = [(lab, {model: lab.target(model) for model in MODELS}) for lab in labs]
    with Worker() as one, Worker() as other:
        loads = [one, other]
        for _ in range(labs[0].lengths.rounds):
            for model, sources in REQUESTS:
                found["requests", model, sources].append(
                    [_requests(lab, targets[model], loads[:sources]) for lab, targets in sides]
                )
            for model in MODELS:
                for streams in STREAMS:
                    found["streams", model, streams].append(
                        [_streams(lab, targets[model], streams, one) for lab, targets in sides]
                    )
    return found


def report(found: dict[Key, list[list[Figures]]]) -> str:
    """Says in words what was found: medians, and the median of the ratios of each round."""
    lines = []
    for (kind, model, number), rounds in found.items():
        unit = "requests_per_s" if kind == "requests" else "samples_per_s"
        what = f"{CLIENTS} clients in {number}" if kind == "requests" else f"{number} streams"
        single, several = (median(figures[unit] for figures in side) for side in zip(*rounds, strict=True))
        ratio = median(many[unit] / one[unit] for one, many in rounds)
        text = f"  {model:<7} {what:<16} {single:>12,.0f} {several:>12,.0f} a second, {ratio:.2f} times"
        if kind == "requests":
            p99s = [median(figures["p99_ms"] for figures in side) for side in zip(*rounds, strict=True)]
            per_cpu = median(many["requests_per_cpu_s"] / one["requests_per_cpu_s"] for one, many in rounds)
            text += f"; p99 {p99s[0]:.1f} and {p99s[1]:.1f} ms; {per_cpu:.2f} times for a second of processor"
        lines.append(text)
    return "\n".join(lines)


def _requests(lab: Lab, target: Target, loads: Sequence[Worker]) -> dict[str, Any]:
    seconds = lab.lengths.seconds
    common = {"address": target.address, "mix": target.mix(1, 16), "pid": lab.sampling_pid}
    times = {"warm_s": seconds / 4, "seconds": seconds}
    given = [{**common, **times, "concurrency": share} for share in split(CLIENTS, len(loads))]
    return request_figures(call_together(loads, "closed_loop", given, _WITHIN_S + seconds))


def _streams(lab: Lab, target: Target, streams: int, load: Worker) -> Figures:
    seconds = lab.lengths.seconds
    given = {"address": target.address, "requests": target.stream_requests(streams)}
    times = {"warm_s": seconds / 4, "seconds": seconds}
    return add_up(call_together([load], "receive", [{**given, **times}], _WITHIN_S + 12 * seconds))
