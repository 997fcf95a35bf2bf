"""What a benchmark found, as JSON and as tables."""

from __future__ import annotations

import dataclasses
from statistics import median
from typing import Any

from synthmill.bench.augmentation.probes import ENGINE
from synthmill.bench.augmentation.run import Result
from synthmill.bench.cells import Table, mebibytes, milliseconds, number, percentiles, share

_RANKS = (50, 95, 99)
# Of the options, what is told of the target as it was found.
_TOLD = ("shape", "dataset", "pool")


def to_json(result: Result) -> dict[str, Any]:
    """Returns medians, shares and every round as JSON."""
    target, options, shares = result.target, dataclasses.asdict(result.options), compare(result)
    return {
        "policy": result.policy,
        "digest": target.digest,
        "dataset": target.dataset,
        "pool": target.pool,
        "shape": list(target.shape),
        "left_out": {ENGINE: result.left_out} if result.left_out else {},
        **result.machine.to_json(),
        "options": {name: value for name, value in options.items() if name not in _TOLD},
        "medians": {key: result.rounds.medians(key) for key in result.rounds.measured()},
        "shares": {name: median(values) for name, values in shares.items()},
        "shares_by_round": shares,
        "rounds": result.rounds.figures,
    }


def compare(result: Result) -> dict[str, list[float]]:
    """Compares streams and calls with the engine alone, round by round.

    Names are "{measurement} of engine"; "per cpu" compares what is done per second of processor time.
    """
    found = {}
    for key in result.rounds.measured("stream/", "call/"):
        found[f"{key} of engine"] = result.rounds.ratios(key, "images_per_s", [ENGINE])
        found[f"{key} of engine per cpu"] = result.rounds.ratios(key, "images_per_cpu_s", [ENGINE])
    return {name: values for name, values in found.items() if values}


def to_text(result: Result, table: Table) -> str:
    """Returns tables for people."""
    target, span = result.target, result.options.span
    shape = " x ".join(map(str, target.shape))
    source = f"{target.dataset}, {shape}" if target.dataset else f"images of {shape}"
    length = f"{span.seconds:g} s" if span.count is None else f"{span.count:,} images"
    head = (
        f"{result.policy} ({target.digest[:12]}) on {source}"
        f"{f', mixed with {target.pool}' if target.pool else ''}; "
        f"medians of {result.options.rounds} rounds of {length}, shares with their range\n{result.machine.to_text()}"
    )
    if result.left_out:
        head += f"\nengine in process left out: {result.left_out}"
    return "\n\n".join([head, _throughput(result, table), _calls(result, table)])


def _throughput(result: Result, table: Table) -> str:
    told, rows = compare(result), []
    for key in result.rounds.measured("stream/"):
        found = result.rounds.medians(key)
        rows.append(
            [
                f"stream x {key.rpartition('/')[2]}",
                number(found["images_per_s"]),
                mebibytes(found["sent_bytes_per_s"]),
                mebibytes(found["bytes_per_s"]),
                share(told.get(f"{key} of engine")),
                share(told.get(f"{key} of engine per cpu")),
                milliseconds(found["first_ms"]),
                f"{found['client_busy']:.0%}",
            ]
        )
    for key in result.rounds.measured(ENGINE):
        rows.append(["engine in process, one thread", number(result.rounds.median(key, "images_per_s")), *[""] * 6])
    header = ("THROUGHPUT", "IMAGES/S", "MIB/S IN", "MIB/S OUT", "OF ENGINE", "PER CPU", "FIRST MS", "LOAD BUSY")
    return table(header, rows)


def _calls(result: Result, table: Table) -> str:
    rows = []
    for key in result.rounds.measured("call/"):
        batch, found = key.rpartition("/")[2], result.rounds.medians(key)
        rows.append([batch, number(found["images_per_s"]), *percentiles(found, _RANKS)])
    return table(("IMAGES OF A CALL", "IMAGES/S", *(f"P{rank} MS" for rank in _RANKS)), rows)
