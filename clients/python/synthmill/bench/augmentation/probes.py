"""The measurements of a round, in the order in which they take turns."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from synthmill.bench.arrivals import add_up
from synthmill.bench.augmentation.options import Options
from synthmill.bench.augmentation.target import Task
from synthmill.bench.rounds import Probe, Round
from synthmill.bench.statistics import Figures
from synthmill.bench.workers import Worker, call_together, split

ENGINE = "engine"
"""Name of what is measured without a service."""

_SLACK_S = 120.0


@dataclasses.dataclass(frozen=True)
class Parts:
    """What loads are made with.

    Attributes:
        task: what they do.
        options: how.
        loads: processes that streams and calls come from.
        engine: process that augments without a service; None if it cannot.
    """

    task: Task
    options: Options
    loads: Sequence[Worker]
    engine: Worker | None


def plan_round(parts: Parts) -> list[Probe]:
    """Returns the measurements of a round; streams stand next to the engine, which they are compared with."""
    options, loads = parts.options, parts.loads
    probes = []
    if parts.engine is not None:
        probes.append(Probe(ENGINE, _measure(parts, [parts.engine], "augment_here", [{}])))
    for streams in options.streams:
        given = [{"streams": share, "pid": options.pid} for share in split(streams, len(loads))]
        measure = _measure(parts, loads[: len(given)], "stream_records", given, stream_figures)
        probes.append(Probe(f"stream/{streams}", measure))
    for batch in options.batches:
        probes.append(Probe(f"call/{batch}", _measure(parts, loads[:1], "call_records", [{"batch": batch}])))
    return probes


def stream_figures(found: Sequence[Mapping[str, Any]]) -> Figures:
    """Makes figures of streams, given what each process found."""
    first_us = [latency for figures in found for latency in figures["first_us"]]
    rates = [{name: value for name, value in figures.items() if name != "first_us"} for figures in found]
    return {**add_up(rates), "first_ms": median(first_us) / 1000}


def _measure(
    parts: Parts,
    workers: Sequence[Worker],
    call: str,
    arguments: Sequence[dict[str, Any]],
    figures: Callable[[Sequence[Figures]], Figures] = operator.itemgetter(0),
) -> Callable[[Round], Figures]:
    """Returns what lets workers make a load together, with their own arguments, and makes figures of what they find."""
    span = parts.options.span
    common = {"task": dataclasses.asdict(parts.task), "warm_s": parts.options.warm_s, "span": dataclasses.asdict(span)}
    given = [{**common, **own} for own in arguments]
    within_s = _SLACK_S + 2 * span.limit_s
    return lambda _found: figures(call_together(workers, call, given, within_s))
