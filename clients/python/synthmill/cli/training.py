"""synthmill train, filter and families."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Json, Set, connect, duration_option, number_option, parse_settings
from synthmill.cli.output import show, table, to_json


def train(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="NAME, or NAME/versions/N.")],
    family: Annotated[
        str,
        typer.Option("--model", metavar="gan|vae|auto", help="Family of the generator; auto chooses and says why."),
    ],
    name: Annotated[str, typer.Option("--name", help="Model to add a version to; DATASET-FAMILY by default.")] = "",
    budget: Annotated[
        float, duration_option("--budget", "Most training time; its end is the end of the schedule, too.")
    ] = 0.0,
    steps: Annotated[int | None, number_option("--steps", int, "Most steps: short for --set steps=N.", low=1)] = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="FIGURE=VALUE", help="Utility that ends the run: tstr=0.85; without labels, fidelity=0.9."
        ),
    ] = "",
    settings: Set = None,
    processes: Annotated[
        int, number_option("--processes", int, "Processes that share every batch, one for each device.", low=1)
    ] = 1,
    executor: Annotated[
        str,
        typer.Option(metavar="local|ray", help="What runs the processes; by default what the service is set up for."),
    ] = "",
    seed: Annotated[int, number_option("--seed", int, "Seed of everything random in the run.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    follow_it: Annotated[bool, typer.Option("--follow", help="Show progress until the model is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the parameters.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Train a generator on a dataset.

    `synthmill families` lists the parameters. Of --budget, --steps and --target, whichever comes first ends the run.
    """
    with connect(address) as client:
        job = client.training.create_training_job(
            dataset,
            family,
            model=name,
            parameters=_with_steps(parse_settings(settings), steps),
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
            budget_s=budget,
            target=_parse_target(target),
            processes=processes,
            executor=executor,
        )
        if not follow_it and "why" in job.parameters and job.parameters["why"]:
            typer.echo(job.parameters["why"], err=True)
        show_job(follow(client, job) if follow_it and not dry_run else job, as_json)


def filter_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME/versions/N.")],
    dataset: Annotated[
        str, typer.Option("--dataset", help="Dataset with real records; that of the training by default.")
    ] = "",
    settings: Set = None,
    seed: Annotated[int, number_option("--seed", int, "Seed of everything random in the job.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    follow_it: Annotated[bool, typer.Option("--follow", help="Show progress until the version is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the parameters.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Give a version opinions of its samples, and a filter by them.

    The result is a version with the same samples; `synthmill sample --filter` keeps those that it holds good.
    """
    with connect(address) as client:
        job = client.training.create_filtering_job(
            model,
            dataset=dataset,
            parameters=parse_settings(settings),
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
        )
        show_job(follow(client, job) if follow_it and not dry_run else job, as_json)


def _with_steps(parameters: dict[str, Any], steps: int | None) -> dict[str, Any]:
    from synthmill.runtime.errors import InvalidField

    if steps is None:
        return parameters
    if "steps" in parameters:
        raise InvalidField("--steps", steps, "either --steps or --set steps=N")
    return {**parameters, "steps": steps}


def _parse_target(text: str) -> dict[str, float]:
    from synthmill.runtime.errors import InvalidField

    figure, _, least = text.partition("=")
    try:
        return {figure: float(least)} if text else {}
    except ValueError:
        raise InvalidField("--target", text, "FIGURE=VALUE, such as tstr=0.85") from None


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
