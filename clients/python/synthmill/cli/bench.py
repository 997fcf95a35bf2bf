"""synthmill bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import show, table
from synthmill.cli.progress import ProgressDisplay

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measurements of running services.")

_COMMAS = "with commas"

Rate = Annotated[
    str, typer.Option(help=f"Requests a second at random times, {_COMMAS}; 3x is thrice the closed loop's best.")
]
Pid = Annotated[
    int | None, number_option("--pid", int, "Process of the service, on this machine: compares processor time too.")
]


@app.callback()
def group() -> None:
    """Measurements of running services."""


@app.command("sampling")
def sampling(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME/versions/N.")],
    parts: Annotated[str, typer.Option(help="Some of stream, closed, open and single.")] = "stream,closed,open,single",
    streams: Annotated[str, typer.Option(help=f"Streams read side by side, {_COMMAS}.")] = "1,4",
    concurrency: Annotated[str, typer.Option(help=f"Clients that ask side by side, {_COMMAS}.")] = "1,4,16,64",
    count: Annotated[str, typer.Option(metavar="N|N-M", help="Samples of a request.")] = "1-16",
    rate: Rate = "0.5x",
    seconds: Annotated[float, number_option("--seconds", float, "Length of each measurement.", low=0.1)] = 2.0,
    rounds: Annotated[int, number_option("--rounds", int, "How often all is measured.", low=1, high=1000)] = 5,
    processes: Annotated[int, number_option("--processes", int, "Processes of each load.", low=1, high=64)] = 1,
    chunk_bytes: Annotated[
        int, number_option("--chunk-bytes", int, "Size of a streamed message; 0 leaves it to the service.", low=0)
    ] = 0,
    against_onnx: Annotated[
        bool, typer.Option("--against-onnx", help="Also run the sampler graph in a bare ONNX Runtime loop.")
    ] = False,
    batch: Annotated[str, typer.Option(help=f"Batch sizes of that loop, {_COMMAS}; the fastest counts.")] = "1024",
    plain: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="Also run this graph, which gets its noise for nothing."),
    ] = None,
    pid: Pid = None,
    plot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw a picture; needs matplotlib.")] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Measure throughput and latency.

    In turns with a bare gRPC server and, if asked for, a bare ONNX Runtime loop.
    """
    from synthmill.bench import plot as plotting
    from synthmill.bench import report
    from synthmill.bench.options import Options, parse_counts, parse_numbers, parse_words
    from synthmill.bench.run import run_bench

    options = Options(
        parts=parse_words(parts),
        streams=parse_numbers("--streams", streams),
        concurrency=parse_numbers("--concurrency", concurrency),
        rates=parse_words(rate),
        counts=parse_counts(count),
        chunk_bytes=chunk_bytes,
        seconds=seconds,
        rounds=rounds,
        processes=processes,
        batches=parse_numbers("--batch", batch),
        onnx=against_onnx or plain is not None,
        plain=plain,
        pid=pid,
    )
    if plot is not None:
        plotting.check_plotting()
    with connect(address) as client, ProgressDisplay(model) as display:
        result = run_bench(
            client, model, options, lambda done, total, phase: display.update(done, total, "measurements", phase=phase)
        )
    if plot is not None:
        plotting.draw(result, plot)
    show(report.to_json(result), as_json, report.to_text(result, table))
