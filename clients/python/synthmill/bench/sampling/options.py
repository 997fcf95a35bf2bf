"""What is to be measured, and how long."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from synthmill.bench.arguments import require_numbers
from synthmill.bench.processes import check_process
from synthmill.runtime.errors import InvalidField

PARTS = ("stream", "closed", "open", "single")


@dataclasses.dataclass(frozen=True)
class Options:
    """What is to be measured, and how long.

    Attributes:
        parts: some of `PARTS`.
        streams: numbers of streams that are read side by side.
        concurrency: numbers of clients that ask side by side.
        rates: requests a second that come at random times: "500", or "3x" for three times what the closed loop of the
            same round came to at best.
        counts: least and greatest number of samples of a request.
        chunk_bytes: size of a streamed message to ask for; zero leaves it to the service.
        seconds: length of each measurement.
        rounds: how often everything is measured.
        processes: processes that each load comes from.
        batches: batch sizes of the bare ONNX Runtime loop.
        onnx: whether there is such a loop.
        plain: graph that gets its noise for nothing, to run beside the sampler graph.
        pid: process id of the service if it is on this machine: its processor time is then compared too.

    Raises:
        InvalidField: a value is not allowed.
    """

    parts: tuple[str, ...] = PARTS
    streams: tuple[int, ...] = (1, 4)
    concurrency: tuple[int, ...] = (1, 4, 16, 64)
    rates: tuple[str, ...] = ("0.5x",)
    counts: tuple[int, int] = (1, 16)
    chunk_bytes: int = 0
    seconds: float = 2.0
    rounds: int = 5
    processes: int = 1
    batches: tuple[int, ...] = (1024,)
    onnx: bool = False
    plain: Path | None = None
    pid: int | None = None

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise InvalidField("--parts", part, "some of " + ", ".join(PARTS))
        for field, values in (
            ("--streams", self.streams),
            ("--concurrency", self.concurrency),
            ("--batch", self.batches),
        ):
            require_numbers(field, values)
        if not 1 <= self.counts[0] <= self.counts[1]:
            raise InvalidField("--count", self.counts, "N, or LEAST-MOST, from 1 on")
        if self.plain is not None and not self.plain.is_file():
            raise InvalidField("--plain", str(self.plain), "an ONNX file")
        for rate in self.rates:
            rate_of(rate, 1.0)
        if self.pid is not None:
            check_process(self.pid)

    @property
    def warm_s(self) -> float:
        """Time at the beginning of each measurement that does not count."""
        return min(0.5, self.seconds / 4)

    @property
    def pause_s(self) -> float:
        """Time between measurements, in which the service finishes what the last one left."""
        return min(0.2, self.seconds / 4)


def rate_of(rate: str, peak: float) -> float:
    """Returns the requests a second that a rate means.

    Args:
        rate: "500", or "3x".
        peak: requests a second that "1x" means.

    Raises:
        InvalidField: it is neither.
    """
    try:
        value = float(rate.removesuffix("x"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InvalidField("--rate", rate, "requests a second, or 0.5x for half of what the closed loop comes to")
    return value * peak if rate.endswith("x") else value


def parse_counts(text: str) -> tuple[int, int]:
    """Reads "16", or "1-16".

    Raises:
        InvalidField: it is neither.
    """
    least, dash, most = text.partition("-")
    try:
        return int(least), int(most if dash else least)
    except ValueError:
        raise InvalidField("--count", text, "N, or LEAST-MOST, from 1 on") from None
