"""What a benchmark found, as a picture; needs matplotlib."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from synthmill.bench.augmentation.probes import ENGINE
from synthmill.bench.augmentation.run import Result
from synthmill.bench.plotting import draw_panels


def draw(result: Result, path: Path) -> None:
    """Draws throughput and the latency of calls side by side.

    Args:
        result: what was found.
        path: file to write; what it ends in chooses the format.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    panels = [functools.partial(draw_panel, result=result) for draw_panel in (_draw_throughput, _draw_latencies)]
    shape = " x ".join(map(str, result.target.shape))
    title = f"{result.policy}, {shape}, on {result.machine.cores} processors, medians of {result.options.rounds}"
    draw_panels(panels, title, path)


def _draw_throughput(axes: Any, result: Result) -> None:
    keys = result.rounds.measured("stream/", ENGINE)
    values = [result.rounds.median(key, "images_per_s") for key in keys]
    axes.barh(keys, values, color=["tab:grey" if key == ENGINE else "tab:blue" for key in keys])
    axes.invert_yaxis()
    axes.set_xlabel("images a second")


def _draw_latencies(axes: Any, result: Result) -> None:
    keys = result.rounds.measured("call/")
    batches = [int(key.rpartition("/")[2]) for key in keys]
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        values = [result.rounds.median(key, name) for key in keys]
        axes.plot(batches, values, marker="o", label=name.removesuffix("_ms"))
    axes.set_yscale("log")
    axes.set_xlabel("images of a call")
    axes.set_ylabel("milliseconds")
    axes.legend()
