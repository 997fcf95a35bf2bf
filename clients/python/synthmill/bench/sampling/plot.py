"""What a benchmark found, as a picture; needs matplotlib."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from synthmill.bench.plotting import draw_panels
from synthmill.bench.sampling.run import Result


def draw(result: Result, path: Path) -> None:
    """Draws throughput, the concurrency sweep and the open loop side by side.

    Args:
        result: what was found.
        path: file to write; what it ends in chooses the format.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    panels = [
        functools.partial(draw_panel, result=result, keys=keys)
        for draw_panel, prefixes in (
            (_draw_throughput, ("stream/raw", "stream/sdk", "onnx/")),
            (_draw_requests, ("closed/",)),
            (_draw_latencies, ("closed/service/",)),
            (_draw_open, ("open/",)),
        )
        if (keys := result.rounds.measured(*prefixes))
    ]
    machine, rounds = result.machine, result.options.rounds
    draw_panels(panels, f"{result.target.model} on {machine.cores} processors, medians of {rounds}", path)


def _draw_throughput(axes: Any, result: Result, keys: list[str]) -> None:
    values = [result.rounds.median(key, "samples_per_s") for key in keys]
    axes.barh(keys, values, color=["tab:grey" if key.startswith("onnx/") else "tab:blue" for key in keys])
    axes.invert_yaxis()
    axes.set_xlabel("samples a second")


def _draw_requests(axes: Any, result: Result, keys: list[str]) -> None:
    for what, title in (("service", "service"), ("echo", "bare gRPC")):
        clients = _numbers(keys, what)
        values = [result.rounds.median(f"closed/{what}/{number}", "requests_per_s") for number in clients]
        axes.plot(clients, values, marker="o", label=title)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("clients")
    axes.set_ylabel("requests a second")
    axes.legend()


def _draw_latencies(axes: Any, result: Result, keys: list[str]) -> None:
    clients = _numbers(keys, "service")
    _draw_percentiles(axes, result, clients, [f"closed/service/{number}" for number in clients])
    axes.set_xscale("log", base=2)
    axes.set_xlabel("clients")


def _draw_open(axes: Any, result: Result, keys: list[str]) -> None:
    offered = [result.rounds.median(key, "offered_per_s") for key in keys]
    _draw_percentiles(axes, result, offered, keys)
    axes.set_xlabel("requests a second at random times")


def _draw_percentiles(axes: Any, result: Result, positions: list[float], keys: list[str]) -> None:
    for name in ("p50_ms", "p90_ms", "p99_ms"):
        known = [
            (position, value)
            for position, key in zip(positions, keys, strict=True)
            if (value := result.rounds.median(key, name)) is not None
        ]
        axes.plot(*zip(*known, strict=True), marker="o", label=name.removesuffix("_ms"))
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds")
    axes.legend()


def _numbers(keys: list[str], what: str) -> list[int]:
    return [int(key.rpartition("/")[2]) for key in keys if key.startswith(f"closed/{what}/")]
