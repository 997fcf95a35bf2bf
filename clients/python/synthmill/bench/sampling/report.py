"""What a benchmark found, as JSON and as tables."""

from __future__ import annotations

import dataclasses
from statistics import median
from typing import Any

from synthmill.bench.cells import Table, mebibytes, milliseconds, number, percentiles, share
from synthmill.bench.sampling.run import Result

_RANKS = (50, 90, 99)


def to_json(result: Result) -> dict[str, Any]:
    """Returns medians, shares and every round as JSON."""
    options = dataclasses.asdict(result.options)
    return {
        "model": result.target.model,
        "digest": result.target.digest,
        "provider": result.target.provider,
        **result.machine.to_json(),
        "options": {**options, "plain": str(options["plain"]) if options["plain"] else None},
        "onnx_settings": result.settings,
        "medians": {key: result.rounds.medians(key) for key in result.rounds.measured()},
        "shares": shares(result),
        "shares_by_round": compare(result),
        "rounds": result.rounds.figures,
    }


def shares(result: Result) -> dict[str, float]:
    """Returns what the service keeps of the bare parts: medians of what `compare` returns."""
    return {name: median(values) for name, values in compare(result).items()}


def compare(result: Result) -> dict[str, list[float]]:
    """Compares the service with the bare parts, round by round.

    Names are "{measurement} of {onnx|plain|pipe|echo}"; "per cpu" compares what is done per second
    of processor time; "single/service over {onnx|echo}" is a difference in microseconds.
    """
    rounds, found = result.rounds, {}
    sampler, plain = rounds.measured("onnx/sampler/"), rounds.measured("onnx/plain/")
    for key in rounds.measured():
        last = key.rpartition("/")[2]
        if key.startswith(("stream/raw/", "stream/sdk/")):
            found[f"{key} of onnx"] = rounds.ratios(key, "samples_per_s", sampler)
            found[f"{key} of onnx per cpu"] = rounds.ratios(key, "samples_per_cpu_s", sampler)
            found[f"{key} of plain"] = rounds.ratios(key, "samples_per_s", plain)
            found[f"{key} of pipe"] = rounds.ratios(key, "bytes_per_s", [f"stream/pipe/{last}"])
        elif key.startswith("closed/service/"):
            found[f"{key} of echo"] = rounds.ratios(key, "requests_per_s", [f"closed/echo/{last}"])
            found[f"{key} of echo per cpu"] = rounds.ratios(key, "requests_per_cpu_s", [f"closed/echo/{last}"])
        elif key == "single/service":
            for other in ("onnx", "echo"):
                over_ms = rounds.excesses(key, "p50_ms", [f"single/{other}"])
                found[f"{key} over {other}"] = [value * 1000 for value in over_ms]
    if sampler and plain:
        best = max(sampler, key=lambda key: rounds.median(key, "samples_per_s"))
        found["onnx/sampler of plain"] = rounds.ratios(best, "samples_per_s", plain)
        found["onnx/sampler of plain per cpu"] = rounds.ratios(best, "samples_per_cpu_s", plain)
    return {name: values for name, values in found.items() if values}


def to_text(result: Result, table: Table) -> str:
    """Returns tables for people."""
    options = result.options
    head = (
        f"{result.target.model} ({result.target.columns}) on {result.target.provider}; medians of {options.rounds} "
        f"rounds of {options.seconds:g} s, shares with their range\n{result.machine.to_text()}"
    )
    sections = [_streams(result, table), _singles(result, table), _closed(result, table), _open(result, table)]
    return "\n\n".join([head, *filter(None, sections)])


def _streams(result: Result, table: Table) -> str:
    titles = {"raw": "stream, messages", "sdk": "stream, SDK", "pipe": "bare gRPC stream"}
    told, rows = compare(result), []
    for key in result.rounds.measured("stream/"):
        _, what, streams = key.split("/")
        found = result.rounds.medians(key)
        samples = "" if what == "pipe" else number(found["samples_per_s"])
        rows.append(
            [
                f"{titles[what]} x {streams}",
                samples,
                mebibytes(found["bytes_per_s"]),
                *(share(told.get(f"{key} of {other}")) for other in ("onnx", "onnx per cpu", "pipe", "plain")),
                f"{found['client_cpu_s_per_gib']:.2f}",
            ]
        )
    for key in result.rounds.measured("onnx/"):
        title = f"bare ONNX Runtime, {key.split('/')[1]} graph, {result.settings[key]}"
        rows.append([title, number(result.rounds.median(key, "samples_per_s")), "", "", "", "", "", ""])
    if sampler_share := told.get("onnx/sampler of plain"):
        per_cpu = share(told["onnx/sampler of plain per cpu"])
        title = "bare ONNX Runtime, sampler graph of plain graph"
        rows.append([title, "", "", "", per_cpu, "", share(sampler_share), ""])
    header = ("THROUGHPUT", "SAMPLES/S", "MIB/S", "OF ONNX", "PER CPU", "OF PIPE", "OF PLAIN", "CLIENT CPU S/GIB")
    return table(header, rows) if rows else ""


def _singles(result: Result, table: Table) -> str:
    titles = {"service": "service", "echo": "bare gRPC", "onnx": "bare ONNX Runtime"}
    told, rows = compare(result), []
    for key in result.rounds.measured("single/"):
        what = key.split("/")[1]
        over = told.get(f"single/service over {what}")
        found = result.rounds.medians(key)
        cell = "" if over is None else f"{median(over):+,.0f} us [{min(over):+,.0f} {max(over):+,.0f}]"
        rows.append([titles[what], *percentiles(found, _RANKS), cell])
    header = ("ONE SAMPLE, ONE CLIENT", "P50 MS", "P90 MS", "P99 MS", "SERVICE OVER IT")
    return table(header, rows) if rows else ""


def _closed(result: Result, table: Table) -> str:
    told, rows = compare(result), []
    for key in result.rounds.measured("closed/service/"):
        clients = key.rpartition("/")[2]
        found = result.rounds.medians(key)
        echo = result.rounds.median(f"closed/echo/{clients}", "requests_per_s")
        rows.append(
            [
                clients,
                number(found["requests_per_s"]),
                number(found["samples_per_s"]),
                *percentiles(found, _RANKS),
                f"{found['refused']:.0f}",
                f"{found['failed']:.0f}",
                "" if echo is None else number(echo),
                share(told.get(f"{key} of echo")),
                share(told.get(f"{key} of echo per cpu")),
                f"{found['client_busy']:.0%}",
            ]
        )
    header = ("CLIENTS", "REQUESTS/S", "SAMPLES/S", "P50 MS", "P90 MS", "P99 MS", "REFUSED", "FAILED")
    return table((*header, "BARE GRPC/S", "OF IT", "PER CPU", "LOAD BUSY"), rows) if rows else ""


def _open(result: Result, table: Table) -> str:
    rows = []
    for key in result.rounds.measured("open/service/"):
        found = result.rounds.medians(key)
        refused = found["refused"] / max(1.0, found["offered_per_s"] * result.options.seconds)
        rows.append(
            [
                key.rpartition("/")[2],
                number(found["offered_per_s"]),
                number(found["requests_per_s"]),
                *percentiles(found, _RANKS),
                f"{refused:.1%}",
                milliseconds(found.get("refused_p50_ms")),
                f"{found['failed']:.0f}",
                milliseconds(found.get("late_p99_ms")),
            ]
        )
    header = ("AT RANDOM TIMES", "OFFERED/S", "ANSWERED/S", "P50 MS", "P90 MS", "P99 MS", "REFUSED", "REFUSAL P50 MS")
    return table((*header, "FAILED", "LOAD LATE P99 MS"), rows) if rows else ""
