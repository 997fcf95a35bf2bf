"""synthmill models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Detach, Json, Kind, Set, connect, number_option, parse_settings, resolve_kind
from synthmill.cli.output import pairs, show, table, to_json

if TYPE_CHECKING:
    from synthmill.v1 import model_pb2

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Generators: immutable versions, models/NAME/versions/N."
)

SAMPLER = "sampler.onnx"

Name = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME/versions/N.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="NAME/versions/N.")]


@app.command("list")
def list_models(
    model: Annotated[str, typer.Argument(metavar="[NAME]", help="Only versions of this model.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List model versions, the newest first."""
    with connect(address) as client:
        found = list(client.catalog.list_models(model))
    rows = [
        (item.name, item.kind, item.family, len(item.labels), "yes" if item.promoted else "", _time(item))
        for item in found
    ]
    text = table(("NAME", "KIND", "FAMILY", "CLASSES", "PROMOTED", "CREATED"), rows)
    show([to_json(item) for item in found], as_json, text)


@app.command("show")
def show_model(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Show a model version."""
    with connect(address) as client:
        _show(client.catalog.get_model(name), as_json)


@app.command("import")
def import_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model to add a version to.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="ONNX generator: a latent vector in, samples out.")],
    kind: Kind = "",
    labels: Annotated[str, typer.Option(help="Class names in the order of the label input, with commas.")] = "",
    settings: Set = None,
    detach: Detach = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Wrap a foreign ONNX generator and publish it.

    It becomes a sampler graph: seed, index and label in, finished samples out.
    """
    with connect(address) as client:
        job = client.catalog.import_model(
            name,
            file,
            kind=resolve_kind(kind),
            labels=[label.strip() for label in labels.split(",")] if labels else [],
            parameters=parse_settings(settings),
        )
        if detach:
            show_job(job, as_json)
            return
        _show(client.catalog.get_model(follow(client, job).result), as_json)


@app.command("compress")
def compress_model(
    name: Name,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="int8|fp16|prune",
            help="What to do; may be repeated, prune comes before the precision. int8 by default.",
        ),
    ] = None,
    max_loss: Annotated[
        float | None,
        number_option(
            "--max-loss", float, "Points of utility that may be lost, 0.5 by default; more publishes nothing."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="Dataset to judge on; the one that the model was trained on by default.")
    ] = "",
    settings: Set = None,
    seed: Annotated[int, number_option("--seed", int, "Seed of everything random in the job.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    detach: Detach = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the parameters.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Make a version smaller and faster.

    What that costs is measured, and the result is published if it is good enough.
    """
    with connect(address) as client:
        job = client.training.create_compression_job(
            name,
            methods or [],
            parameters=parse_settings(settings),
            max_loss=max_loss,
            dataset=dataset,
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
        )
        if detach or dry_run:
            show_job(job, as_json)
            return
        _show(client.catalog.get_model(follow(client, job).result), as_json)


@app.command("promote")
def promote_model(
    name: Version,
    reason: Annotated[
        str, typer.Option("--override-reason", metavar="TEXT", help="Promote whatever the gate says, and note why.")
    ] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Make a version the one that its model's name means.

    Its newest evaluation must have passed the gate: see `synthmill evaluate`. A name with a number always means that
    version.
    """
    with connect(address) as client:
        _show(client.catalog.promote_model(name, override_reason=reason), as_json)


@app.command("export")
def export_model(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to make; or a path that ends in .onnx, for the graph alone.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was exported there before.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Write a version's files to a folder.

    The sampler graph, the card, the weights; or the graph alone, to FILE.onnx.
    """
    from synthmill.cli.exporting import export
    from synthmill.client.staging import check_free

    with connect(address) as client:
        version = client.catalog.get_model(name)
        if out.suffix == ".onnx":
            check_free(out, overwrite=overwrite)
            graph = next(artifact for artifact in version.artifacts if artifact.name == SAMPLER)
            client.catalog.download_artifact(version.name, graph, out)
            files = [str(out)]
        else:
            export(client, to_json(version), version.artifacts, out, overwrite)
            files = [str(out / artifact.name) for artifact in version.artifacts]
    show({"name": version.name, "out": str(out), "files": files}, as_json, "\n".join(files))


@app.command("delete")
def delete_model(name: Version, address: Address = None, as_json: Json = False) -> None:
    """Delete a version that is not promoted."""
    with connect(address) as client:
        client.catalog.delete_model(name)
    show({"deleted": name}, as_json, f"deleted {name}")


def _show(model: model_pb2.Model, as_json: bool) -> None:
    values = to_json(model)
    text = pairs(
        {
            "name": model.name,
            "kind": model.kind,
            "family": model.family,
            "labels": ", ".join(model.labels),
            "columns": ", ".join(f"{c['name']} {c['data_type']} {c['shape']}" for c in values["columns"]),
            "files": ", ".join(artifact.name for artifact in model.artifacts),
            "card": _card(model),
            "dataset": model.dataset,
            "job": model.job,
            "metrics": values["metrics"],
            "promoted": "yes" if model.promoted else "",
            "promotion": _promotion(model),
            "digest": model.digest,
            "created": _time(model),
        }
    )
    show(values, as_json, text)


def _card(model: model_pb2.Model) -> str:
    """Says how to come by the card for people: data and licence, settings, curves, what was measured, limits."""
    if not any(artifact.name == "card.md" for artifact in model.artifacts):
        return ""
    return f"card.md; synthmill models export {model.name.removeprefix('models/')} --out DIR writes it"


def _promotion(model: model_pb2.Model) -> str:
    """Says how a version was promoted the last time, if it ever was."""
    promotion = model.promotion
    if not model.HasField("promotion"):
        return ""
    why = f"overridden, {promotion.override_reason}" if promotion.override_reason else "passed"
    evaluated = promotion.evaluation or "never evaluated"
    return f"{promotion.promote_time.ToJsonString()}; {evaluated}; {why}"


def _time(model: model_pb2.Model) -> str:
    return model.create_time.ToJsonString()
