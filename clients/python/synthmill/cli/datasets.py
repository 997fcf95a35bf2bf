"""synthmill datasets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import (
    Address,
    Detach,
    Json,
    Kind,
    Set,
    connect,
    is_local,
    number_option,
    parse_settings,
    resolve_kind,
)
from synthmill.cli.output import enum_name, pairs, show, table, to_json

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import catalog_service_pb2, dataset_pb2, job_pb2

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Real data: immutable versions, datasets/NAME/versions/N."
)

_SHOWN_ISSUES = 20

Name = Annotated[str, typer.Argument(metavar="DATASET", help="NAME, or NAME/versions/N.")]


@app.command("import")
def import_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset to add a version to.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder or file, or a URI the catalog can read.")],
    kind: Kind = "",
    label_from: Annotated[
        str, typer.Option("--label-from", metavar="folder|none|FILE|COLUMN", help="Where labels come from.")
    ] = "",
    settings: Set = None,
    license: Annotated[str, typer.Option(help="Licence, as an SPDX identifier where there is one.")] = "",
    origin: Annotated[str, typer.Option(help="Origin, in words or as a URL.")] = "",
    consent: Annotated[str, typer.Option(help="Ground on which personal data may be used.")] = "",
    upload: Annotated[
        bool, typer.Option("--upload", help="Send the source, even to a catalog on this machine.")
    ] = False,
    detach: Detach = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Import records as a new version.

    Every item that was dropped is reported, with the reason.
    """
    from synthmill.client import dataset_spec

    with connect(address) as client:
        spec = dataset_spec(
            name,
            resolve_kind(kind),
            label_from=label_from,
            parameters=parse_settings(settings),
            license=license,
            origin=origin,
            consent=consent,
        )
        job = _begin(client, spec, source, upload)
        if detach:
            show_job(job, as_json)
            return
        _show(client.catalog.get_dataset(follow(client, job).result), as_json)


@app.command("list")
def list_datasets(
    dataset: Annotated[str, typer.Argument(metavar="[NAME]", help="Only versions of this dataset.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List dataset versions, the newest first."""
    with connect(address) as client:
        found = list(client.catalog.list_datasets(dataset))
    rows = [(item.name, item.kind, item.record_count, len(item.labels), _time(item)) for item in found]
    text = table(("NAME", "KIND", "RECORDS", "CLASSES", "CREATED"), rows)
    show([to_json(item) for item in found], as_json, text)


@app.command("show")
def show_dataset(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Show a dataset version."""
    with connect(address) as client:
        _show(client.catalog.get_dataset(name), as_json)


@app.command("issues")
def list_issues(
    name: Name,
    limit: Annotated[int, number_option("--limit", int, "At most this many; 0 means all.", low=0)] = _SHOWN_ISSUES,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List what the import of a version found.

    Dropped items and suspicious ones, by name, with the reason.
    """
    from itertools import islice

    with connect(address) as client:
        found = list(islice(client.catalog.list_import_issues(name), limit or None))
    rows = [(enum_name(i, "reason"), "dropped" if i.dropped else "kept", i.source, i.other, i.detail) for i in found]
    text = table(("REASON", "RECORD", "SOURCE", "OTHER", "DETAIL"), rows)
    show([to_json(issue) for issue in found], as_json, text)


@app.command("export")
def export_dataset(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was exported there before.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Write a version as Parquet, a file per split.

    `datasets.load_dataset` reads the folder.
    """
    from synthmill.cli.exporting import export

    with connect(address) as client:
        version = client.catalog.get_dataset(name)
        wanted = [artifact for artifact in version.artifacts if artifact.name.endswith(".parquet")]
        export(client, to_json(version), wanted, out, overwrite)
    files = [str(out / artifact.name) for artifact in wanted]
    show({"name": version.name, "out": str(out), "files": files}, as_json, "\n".join(files))


@app.command("delete")
def delete_dataset(
    name: Annotated[str, typer.Argument(metavar="VERSION", help="NAME/versions/N.")],
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Delete a version; models trained on it keep its name and digest."""
    with connect(address) as client:
        client.catalog.delete_dataset(name)
    show({"deleted": name}, as_json, f"deleted {name}")


def _begin(client: Client, spec: catalog_service_pb2.DatasetSpec, source: str, upload: bool) -> job_pb2.Job:
    """Names the source to a catalog that sees the same files, and sends it to any other."""
    if upload or (os.path.exists(source) and not is_local(client.addresses["catalog"])):
        return client.catalog.upload_dataset(spec, source)
    return client.catalog.import_dataset(spec, source if "://" in source else os.path.abspath(source))


def _show(dataset: dataset_pb2.Dataset, as_json: bool) -> None:
    values: dict[str, Any] = to_json(dataset)
    report = values["report"] or {}
    text = pairs(
        {
            "name": dataset.name,
            "kind": dataset.kind,
            "records": dataset.record_count,
            "dropped": f"{report.get('dropped_count', 0)} of {report.get('seen_count', 0)} items",
            "issues": ", ".join(f"{name} {count}" for name, count in report.get("issue_counts", {}).items()),
            "splits": ", ".join(f"{split.name} {split.record_count}" for split in dataset.splits),
            "labels": ", ".join(dataset.labels),
            "schema": values["schema"],
            "license": dataset.provenance.license,
            "origin": dataset.provenance.origin,
            "consent": dataset.provenance.consent,
            "digest": dataset.digest,
            "created": _time(dataset),
        }
    )
    show(values, as_json, text)


def _time(dataset: dataset_pb2.Dataset) -> str:
    return dataset.create_time.ToJsonString()
