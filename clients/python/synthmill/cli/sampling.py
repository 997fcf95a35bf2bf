"""synthmill sample."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import show
from synthmill.cli.progress import ProgressDisplay, format_bytes

if TYPE_CHECKING:
    from synthmill.client.bulk import WriteProgress
    from synthmill.client.filters import Filter


def _parse_part(text: str) -> tuple[int, int]:
    from synthmill.client.shards import PART_SYNTAX
    from synthmill.runtime.errors import InvalidField

    found = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if found is None or int(found[1]) >= int(found[2]):
        raise InvalidField("--part", text, PART_SYNTAX)
    return int(found[1]), int(found[2])


Part = Annotated[
    Any, typer.Option(parser=_parse_part, metavar="I/N", help="Write only the I-th of N parts of it, from 0 on.")
]
Labels = Annotated[
    str | None, typer.Option(metavar="PLAN", help="CLASS; CLASS=N,...; CLASS:WEIGHT,...; balance:datasets/NAME[=N]")
]
Filtered = Annotated[
    bool, typer.Option("--filter", help="Keep samples that the model holds good; by its own filter unless bounded.")
]
MinConfidence = Annotated[
    float | None, number_option("--min-confidence", float, "Filter by this confidence in a sample's label, 0 to 1.")
]
MinScore = Annotated[
    float | None, number_option("--min-score", float, "Filter by this score by the critic of the training.")
]
Attempts = Annotated[
    int | None, number_option("--attempts", int, "Filter, with so many candidates for a sample; 8 by default.")
]
ShardRows = Annotated[
    int | None, number_option("--shard-rows", int, "Samples in a shard; by default about 64 MiB of them.", low=1)
]
InFlight = Annotated[int | None, number_option("--in-flight", int, "Shards written at once.", low=1, high=256)]
Executed = Annotated[
    str,
    typer.Option("--executor", metavar="local|ray", help="What writes the shards: this process, or a Ray cluster."),
]
RayAddress = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Head of the cluster; by default RAY_ADDRESS, or the one here.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin afresh: remove what was written there.")]


def sample(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME/versions/N.")],
    out: Annotated[Path, typer.Option(help="Folder of shards; one file if it ends in .npz, .parquet or .tar.")],
    count: Annotated[
        int | None, number_option("--count", int, "Samples; by default all that the plan has, if it ends.")
    ] = None,
    seed: Annotated[int, number_option("--seed", int, "Seed.")] = 0,
    start: Annotated[int, number_option("--start", int, "Index of the first sample.")] = 0,
    part: Part = None,
    labels: Labels = None,
    format: Annotated[
        str, typer.Option(metavar="npz|parquet|webdataset|png", help="Format; by default what the path ends in.")
    ] = "",
    truncation: Annotated[float | None, number_option("--truncation", float, "Scale of the latent vector.")] = None,
    filter_it: Filtered = False,
    min_confidence: MinConfidence = None,
    min_score: MinScore = None,
    attempts: Attempts = None,
    shard_rows: ShardRows = None,
    in_flight: InFlight = None,
    executor: Executed = "local",
    ray_address: RayAddress = "",
    overwrite: Overwrite = False,
    tenant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who asks; tenants take turns. By default SYNTHMILL_TENANT, or the connection."
        ),
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Stream labelled samples to files.

    A manifest beside them says how to make them again. A folder that was begun is gone on with by the same command.
    """
    from synthmill.client.executing import make_executor

    tracker = _Tracker(model, out)
    with connect(address, tenant) as client, tracker.shown():
        manifest = client.write_samples(
            model,
            out,
            count,
            format=format,
            seed=seed,
            start_index=start,
            labels=labels,
            truncation=truncation,
            filter=_filter(filter_it, min_confidence, min_score, attempts),
            part=part,
            shard_rows=shard_rows,
            in_flight=in_flight,
            overwrite=overwrite,
            executor=make_executor(executor, ray_address),
            on_progress=tracker.update,
        )
    tracker.summarise()
    show(manifest, as_json, _summary(manifest, out))


def _filter(wanted: bool, min_confidence: float | None, min_score: float | None, attempts: int | None) -> Filter:
    from synthmill.client import sample_filter

    given = {"min_confidence": min_confidence, "min_score": min_score, "attempts": attempts}
    given = {name: value for name, value in given.items() if value is not None}
    return sample_filter(**given) if given else wanted


class _Tracker:
    """Shows how the writing goes.

    Args:
        model: what is sampled.
        out: where it is written to.
    """

    def __init__(self, model: str, out: Path) -> None:
        self._out = out
        self._display = ProgressDisplay(model, show_rate=True)
        self._began = time.monotonic()
        self._now: WriteProgress | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows progress, and after an interruption how to go on."""
        try:
            with self._display:
                yield
        except BaseException:
            self._tell_how_to_go_on()
            raise

    def update(self, now: WriteProgress) -> None:
        """Takes a step."""
        if self._now is not None and self._now.verifying and not now.verifying:
            self._tell_what_was_there(now)
        self._now = now
        note = format_bytes(now.size_bytes) if now.size_bytes else ""
        self._display.update(now.done, now.total, "samples", note, "verifying" if now.verifying else "")

    def summarise(self) -> None:
        """Prints what was done, and how fast."""
        now = self._now
        elapsed_s = time.monotonic() - self._began
        written = now.total - now.kept
        new = f", {written:,} of them new" if now.kept else ""
        print(f"{now.total:,} samples{new} in {elapsed_s:.1f} s, {written / elapsed_s:,.0f} a second", file=sys.stderr)

    def _tell_what_was_there(self, now: WriteProgress) -> None:
        if now.damaged:
            self._display.say(f"{self._out}: {now.damaged} shards are missing or damaged, and are written again")
        then = "going on" if now.kept < now.total else "nothing to do"
        self._display.say(f"{self._out}: {now.kept:,} of {now.total:,} samples are there; {then}")

    def _tell_how_to_go_on(self) -> None:
        if self._now is not None and (self._out / ".synthmill/plan.json").is_file():
            print(f"{self._out} is not complete; the same command goes on with it", file=sys.stderr)


def _summary(manifest: dict[str, Any], out: Path) -> str:
    lines = [f"{out}: {manifest['row_count']:,} samples of {manifest['model']['name']}"]
    if out.is_dir() and not (out / "manifest.json").exists():
        lines.append("not all parts are there yet; the manifest comes with the last of them")
    classes = ", ".join(f"{name} {count:,}" for name, count in manifest["label_counts"].items())
    if classes:
        lines.append(classes)
    if "filter_counts" in manifest:
        told = manifest["filter_counts"]
        lines.append(f"filter: {told['first']:,} passed at once, {told['later']:,} later, {told['none']:,} not at all")
    return "\n".join(lines)
