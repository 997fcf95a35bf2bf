"""The measurements of a round, in the order in which they take turns."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from synthmill.bench.arrivals import add_up
from synthmill.bench.rounds import Probe, Round
from synthmill.bench.sampling.onnx_loop import Setting
from synthmill.bench.sampling.options import Options, rate_of
from synthmill.bench.sampling.target import Target, pump_requests
from synthmill.bench.statistics import Figures, latency_figures
from synthmill.bench.workers import Worker, call_together, split

_SLACK_S = 120.0
_OPEN_CONNECTIONS = 16


@dataclasses.dataclass(frozen=True)
class Parts:
    """What loads are made with.

    Attributes:
        target: what is measured.
        options: how.
        pipe: "host:port" of the bare server.
        pipe_pid: its process id.
        loads: processes that loads come from.
        sdk: process that reads through the SDK.
        onnx: process that runs graphs; None if none are run.
    """

    target: Target
    options: Options
    pipe: str
    pipe_pid: int
    loads: Sequence[Worker]
    sdk: Worker
    onnx: Worker | None


def stream_probes(parts: Parts) -> list[Probe]:
    """Measures streams: serialised messages, the SDK's batches, and the bare server."""
    target, options = parts.target, parts.options
    times = {"warm_s": options.warm_s, "seconds": options.seconds}
    within_s = _SLACK_S + 12 * options.seconds

    def receive(call: str, address: str, requests: Sequence[str], **rest: Any) -> Callable[[Round], Figures]:
        shares = split(len(requests), len(parts.loads))
        starts = itertools.accumulate(shares, initial=0)
        given = [
            {"address": address, "requests": requests[start : start + share], **times, **rest}
            for start, share in zip(starts, shares, strict=False)
        ]
        return lambda _: add_up(call_together(parts.loads[: len(shares)], call, given, within_s))

    def iterate(_found: Round) -> Figures:
        given = {"address": target.address, "model": target.model, "streams": 1, "pid": options.pid, **times}
        return call_together([parts.sdk], "iterate", [given], within_s)[0]

    probes = []
    for streams in options.streams:
        requests, pumped = target.stream_requests(streams, options.chunk_bytes), pump_requests(streams)
        probes += [
            Probe(f"stream/raw/{streams}", receive("receive", target.address, requests, pid=options.pid)),
            Probe(f"stream/pipe/{streams}", receive("receive_pipe", parts.pipe, pumped)),
        ]
    # Next to one stream of messages, which it is compared with.
    return [*probes[:1], Probe("stream/sdk/1", iterate), *probes[1:]]


def closed_probes(parts: Parts) -> list[Probe]:
    """Measures clients that wait for their answers, at the service and at the bare server."""
    mix = parts.target.mix(*parts.options.counts)
    echo = parts.target.echo_mix(mix)
    probes = []
    for concurrency in parts.options.concurrency:
        probes += [
            Probe(f"closed/service/{concurrency}", _closed(parts, mix, concurrency)),
            Probe(f"closed/echo/{concurrency}", _closed(parts, echo, concurrency, echo=True)),
        ]
    return probes


def peak_probe(parts: Parts) -> Probe:
    """Measures what the service comes to at most, where no closed loop is asked for."""
    concurrency, mix = max(parts.options.concurrency), parts.target.mix(*parts.options.counts)
    return Probe(f"closed/service/{concurrency}", _closed(parts, mix, concurrency))


def open_probes(parts: Parts) -> list[Probe]:
    """Measures requests that come at random times."""
    mix = parts.target.mix(*parts.options.counts)
    return [Probe(f"open/service/{rate}", _open(parts, mix, rate)) for rate in parts.options.rates]


def single_probes(parts: Parts, graph: str | None) -> list[Probe]:
    """Measures one client that asks one sample at a time, beside the bare server and the bare graph.

    Args:
        parts: what loads are made with.
        graph: path of the sampler graph, if it is to be run.
    """
    mix = parts.target.mix(1, 1)
    probes = [
        Probe("single/service", _closed(parts, mix, 1)),
        Probe("single/echo", _closed(parts, parts.target.echo_mix(mix), 1, echo=True)),
    ]
    if parts.onnx is not None and graph is not None:
        setting = dataclasses.asdict(Setting(graph, 1, 1, 1, provider=parts.target.provider))
        given = {"setting": setting, "seconds": parts.options.seconds, "classes": parts.target.classes}

        def run(_found: Round) -> Figures:
            found = call_together([parts.onnx], "run_latency", [given], _SLACK_S + parts.options.seconds)[0]
            return latency_figures(found["answered_us"])

        probes.append(Probe("single/onnx", run))
    return probes


def onnx_probes(parts: Parts, name: str, settings: Sequence[Setting]) -> list[Probe]:
    """Measures a graph alone, once for each setting."""

    def run(setting: Setting) -> Callable[[Round], Figures]:
        return lambda _found: loop_rate(parts, setting, parts.options.seconds)

    return [Probe(f"onnx/{name}/{number}", run(setting)) for number, setting in enumerate(settings)]


def loop_rate(parts: Parts, setting: Setting, seconds: float) -> Figures:
    """Runs a graph alone for a while."""
    given = {"setting": dataclasses.asdict(setting), "seconds": seconds, "classes": parts.target.classes}
    return call_together([parts.onnx], "loop_rate", [given], _SLACK_S + seconds)[0]


def _closed(parts: Parts, mix: dict[str, Any], concurrency: int, *, echo: bool = False) -> Callable[[Round], Figures]:
    options = parts.options
    # The processor time of the bare server is of use only beside that of the service.
    server = (parts.pipe, options.pid and parts.pipe_pid) if echo else (parts.target.address, options.pid)
    common = {"address": server[0], "pid": server[1], "warm_s": options.warm_s, "seconds": options.seconds}
    given = [{"mix": mix, "concurrency": share, **common} for share in split(concurrency, len(parts.loads))]

    def measure(_found: Round) -> Figures:
        workers = parts.loads[: len(given)]
        return request_figures(call_together(workers, "closed_loop", given, _SLACK_S + options.seconds))

    return measure


def _open(parts: Parts, mix: dict[str, Any], rate: str) -> Callable[[Round], Figures]:
    options, number = parts.options, len(parts.loads)

    def measure(found: Round) -> Figures:
        peaks = [figures["requests_per_s"] for key, figures in found.items() if key.startswith("closed/service/")]
        total = rate_of(rate, max(peaks, default=1.0))
        given = [
            {
                "address": parts.target.address,
                "mix": mix,
                "rate": total / number,
                "seconds": options.seconds,
                "seed": seed,
                "connections": _OPEN_CONNECTIONS,
            }
            for seed in range(number)
        ]
        return request_figures(call_together(parts.loads, "open_loop", given, _SLACK_S + options.seconds))

    return measure


def request_figures(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Makes figures of what became of requests, given what each process found."""
    answered = np.concatenate([outcomes["answered_us"] for outcomes in found])
    refused = np.concatenate([outcomes["refused_us"] for outcomes in found])
    late = np.concatenate([outcomes.get("late_us", []) for outcomes in found])
    failed: Counter[str] = sum((Counter(outcomes["failed"]) for outcomes in found), Counter())
    seconds = found[0]["seconds"]
    figures: dict[str, Any] = {
        "requests_per_s": sum(outcomes["good"] for outcomes in found) / seconds,
        "samples_per_s": sum(outcomes["samples"] for outcomes in found) / seconds,
        "refused": len(refused),
        "failed": failed.total(),
        "client_busy": sum(outcomes["client_cpu_s"] for outcomes in found) / seconds / len(found),
        **latency_figures(answered),
        **latency_figures(refused, "refused_"),
    }
    # Each process has seen all of the server's.
    if server_cpu_s := max(outcomes.get("server_cpu_s", 0.0) for outcomes in found):
        figures["requests_per_cpu_s"] = figures["requests_per_s"] * seconds / server_cpu_s
    if failed:
        figures["failures"] = dict(failed)
    if "offered" in found[0]:
        figures["offered_per_s"] = sum(outcomes["offered"] for outcomes in found) / seconds
        figures |= latency_figures(late, "late_")
    return figures
