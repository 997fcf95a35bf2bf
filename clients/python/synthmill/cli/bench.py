"""synthmill bench."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import show, table
from synthmill.cli.progress import ProgressDisplay

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measurements of running services.")

_COMMAS = "with commas"

Rounds = Annotated[int, number_option("--rounds", int, "How often all is measured.", low=1, high=1000)]
Processes = Annotated[int, number_option("--processes", int, "Processes of each load.", low=1, high=64)]
Plot = Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw a picture; needs matplotlib.")]
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
    rounds: Rounds = 5,
    processes: Processes = 1,
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
    plot: Plot = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Measure throughput and latency.

    In turns with a bare gRPC server and, if asked for, a bare ONNX Runtime loop.
    """
    from synthmill.bench.arguments import parse_numbers, parse_words
    from synthmill.bench.sampling import plot as plotting
    from synthmill.bench.sampling import report
    from synthmill.bench.sampling.options import Options, parse_counts
    from synthmill.bench.sampling.run import run_bench

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
    result = _measure(run_bench, model, options, plot, address)
    if plot is not None:
        plotting.draw(result, plot)
    show(report.to_json(result), as_json, report.to_text(result, table))


@app.command("augmentation")
def augmentation(
    policy: Annotated[
        str, typer.Option(metavar="FILE.yaml|NAME", help="Policy: a YAML file, or one that `policies list` lists.")
    ] = "standard",
    size: Annotated[
        str | None, typer.Option(metavar="N|HEIGHTxWIDTH", help="Pixels of the images, 224 by default.")
    ] = None,
    channels: Annotated[
        int | None, number_option("--channels", int, "Channels of the images: 1, or 3 by default.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Augment training records of this one instead of images made up.")] = "",
    pool: Annotated[str, typer.Option(help="Dataset that records are mixed with, if the policy mixes.")] = "",
    streams: Annotated[str, typer.Option(help=f"Streams that run side by side, {_COMMAS}.")] = "1",
    batch: Annotated[str, typer.Option(help=f"Images of a call, {_COMMAS}.")] = "1,8",
    seconds: Annotated[
        float | None, number_option("--seconds", float, "Length of each measurement, 2 by default.", low=0.1)
    ] = None,
    count: Annotated[
        int | None, number_option("--count", int, "Images of each measurement, instead of a time.", low=100)
    ] = None,
    rounds: Rounds = 5,
    processes: Processes = 1,
    pid: Pid = None,
    plot: Plot = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Measure an augmentation policy: streams and calls.

    In turns with the same policy in a process of this machine, if the extra `augmentation` is installed here.
    """
    from synthmill.bench.arguments import parse_numbers
    from synthmill.bench.augmentation import plot as plotting
    from synthmill.bench.augmentation import report
    from synthmill.bench.augmentation.options import Options, parse_shape, parse_span
    from synthmill.bench.augmentation.run import run_bench

    options = Options(
        shape=parse_shape(size, channels, dataset),
        dataset=dataset,
        pool=pool,
        streams=parse_numbers("--streams", streams),
        batches=parse_numbers("--batch", batch),
        span=parse_span(seconds, count),
        rounds=rounds,
        processes=processes,
        pid=pid,
    )
    result = _measure(run_bench, policy, options, plot, address)
    if plot is not None:
        plotting.draw(result, plot)
    show(report.to_json(result), as_json, report.to_text(result, table))


def _measure(
    run_bench: Callable[..., Any], subject: str, options: Any, plot: Path | None, addresses: Sequence[str] | None
) -> Any:
    """Runs a benchmark, with its progress on stderr; that a picture can be drawn of it is made sure of first."""
    from synthmill.bench.plotting import check_plotting

    if plot is not None:
        check_plotting()
    with connect(addresses) as client, ProgressDisplay(subject) as display:

        def tell(done: int, total: int, phase: str) -> None:
            display.update(done, total, "measurements", phase=phase)

        return run_bench(client, subject, options, tell)
