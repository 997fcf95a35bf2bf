"""synthmill train."""

from __future__ import annotations

from typing import Annotated

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Json, Set, connect, number_option, parse_settings
from synthmill.cli.output import show, table, to_json


def train(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="NAME, or NAME/versions/N.")],
    family: Annotated[str, typer.Option("--model", metavar="gan|vae", help="Family of the generator.")],
    name: Annotated[str, typer.Option("--name", help="Model to add a version to; DATASET-FAMILY by default.")] = "",
    settings: Set = None,
    seed: Annotated[int, number_option("--seed", int, "Seed of everything random in the run.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    follow_it: Annotated[bool, typer.Option("--follow", help="Show progress until the model is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the parameters.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Train a generator on a dataset; `synthmill families` lists the parameters."""
    with connect(address) as client:
        job = client.training.create_training_job(
            dataset,
            family,
            model=name,
            parameters=parse_settings(settings),
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
        )
        show_job(follow(client, job) if follow_it and not dry_run else job, as_json)


def families(
    kind: Annotated[str, typer.Option(help="Only families for this kind of data.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List the families of generators with their parameters."""
    with connect(address) as client:
        found = client.training.list_families(kind)
    values = [to_json(family) for family in found]
    rows = [
        (family["family"], family["kind"], p["name"], p["default_value"], p["allowed"], p["description"])
        for family in values
        for p in family["parameters"]
    ]
    show(values, as_json, table(("FAMILY", "KIND", "PARAMETER", "DEFAULT", "ALLOWED", "MEANING"), rows))
