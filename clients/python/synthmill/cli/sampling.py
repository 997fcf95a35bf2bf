"""synthmill sample."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import show
from synthmill.cli.progress import ProgressDisplay


def sample(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME/versions/N.")],
    out: Annotated[Path, typer.Option(help="Folder to make; one file if it ends in .npz, .parquet or .tar.")],
    count: Annotated[
        int | None, number_option("--count", int, "Samples; by default all that the plan has, if it ends.")
    ] = None,
    seed: Annotated[int, number_option("--seed", int, "Seed.")] = 0,
    start: Annotated[int, number_option("--start", int, "Index of the first sample.")] = 0,
    labels: Annotated[
        str | None,
        typer.Option(metavar="PLAN", help="CLASS; CLASS=N,...; CLASS:WEIGHT,...; balance:datasets/NAME[=N]"),
    ] = None,
    format: Annotated[
        str, typer.Option(metavar="npz|parquet|webdataset|png", help="Format; by default what the path ends in.")
    ] = "",
    truncation: Annotated[float | None, number_option("--truncation", float, "Scale of the latent vector.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was written there before.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Stream labelled samples to files, with a manifest that says how to make them again."""
    began = time.monotonic()
    with connect(address) as client, ProgressDisplay(model) as display:
        manifest = client.write_samples(
            model,
            out,
            count,
            format=format,
            seed=seed,
            start_index=start,
            labels=labels,
            truncation=truncation,
            overwrite=overwrite,
            on_progress=lambda done, total: display.update(done, total, "samples"),
        )
    elapsed_s = time.monotonic() - began
    rate = manifest["row_count"] / elapsed_s
    print(f"{manifest['row_count']:,} samples in {elapsed_s:.1f} s, {rate:,.0f} a second", file=sys.stderr)
    show(manifest, as_json, _summary(manifest, out))


def _summary(manifest: dict[str, Any], out: Path) -> str:
    classes = ", ".join(f"{name} {count:,}" for name, count in manifest["label_counts"].items())
    lines = [f"{out}: {manifest['row_count']:,} samples of {manifest['model']['name']}"]
    return "\n".join([*lines, classes] if classes else lines)
