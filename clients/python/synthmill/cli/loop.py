"""synthmill loop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Json, connect, is_local, number_option
from synthmill.cli.output import enum_name, pairs, show, table, to_json

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import loop_pb2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="From data to what is worth shipping: loops/ID.")

_SHOWN_LOOPS = 50

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG.yaml", help="What to do; `dataset: NAME` is enough, or `source:` and `kind:`.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Another value: budget.minutes=10; may be repeated."),
]
Name = Annotated[str, typer.Argument(metavar="LOOP", help="loops/ID, or ID.")]


@app.command("run")
def run_loop(
    config: Config,
    changes: Changes = None,
    follow_it: Annotated[
        bool, typer.Option("--follow", help="Show steps, trials and the best score until it ends; implied by --report.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write the report to this folder at the end.")
    ] = None,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run the loop: a promoted model, or the best without.

    It goes on by itself if this command, a worker or a service is stopped.
    """
    with connect(address) as client:
        job = client.pipeline.create_loop_job(_read(client, config, changes), request_id=request_id)
        if not (follow_it or report):
            show_job(job, as_json)
            return
        loop = client.pipeline.get_loop(follow(client, job).result)
        if report is not None:
            _write_report(client, loop, report)
    _show(loop, as_json)


@app.command("check")
def check_plan(config: Config, changes: Changes = None, address: Address = None, as_json: Json = False) -> None:
    """Print a plan with every default."""
    import yaml

    from synthmill.client.plans import in_order

    with connect(address) as client:
        job = client.pipeline.create_loop_job(_read(client, config, changes), validate_only=True)
    plan = in_order(to_json(job)["parameters"])
    # JSON's numbers end at 2^53, YAML's do not.
    plan["seed"] = int(plan.get("seed", 0))
    show(plan, as_json, yaml.safe_dump(plan, sort_keys=False, allow_unicode=True).rstrip())


@app.command("list")
def list_loops(
    limit: Annotated[int, number_option("--limit", int, "At most this many.", low=1)] = _SHOWN_LOOPS,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List loops, the newest first."""
    with connect(address) as client:
        found = list(islice(client.pipeline.list_loops(), limit))
    rows = [
        (loop.name, loop.dataset, enum_name(loop, "state"), len(loop.rounds), _shipped(loop), _time(loop))
        for loop in found
    ]
    text = table(("NAME", "DATASET", "STATE", "ROUNDS", "SHIPS", "CREATED"), rows)
    show([to_json(loop) for loop in found], as_json, text)


@app.command("show")
def show_loop(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Show trials, rounds and what is shipped."""
    with connect(address) as client:
        loop = client.pipeline.get_loop(name)
    _show(loop, as_json)


@app.command("report")
def write_report(
    name: Name,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")],
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Write its pages, and what to collect."""
    with connect(address) as client:
        loop = client.pipeline.get_loop(name)
        _write_report(client, loop, out)
    files = [str(out / artifact.name) for artifact in loop.artifacts]
    show(files, as_json, "\n".join(files))


def _read(client: Client, config: Path, changes: Sequence[str] | None) -> dict[str, Any]:
    from synthmill.client.plans import plan_mapping

    plan = plan_mapping(config)
    for text in changes or []:
        _change(plan, text)
    source = plan.get("source")
    # To a catalog on this machine a path means what it means here.
    if isinstance(source, str) and "://" not in source and is_local(client.addresses["catalog"]):
        plan["source"] = str(Path(source).absolute())
    return plan


def _change(plan: dict[str, Any], text: str) -> None:
    """Puts another value into a plan, by its path."""
    import yaml

    from synthmill.runtime.errors import InvalidField

    path, equals, value = text.partition("=")
    *parents, last = path.split(".")
    if not equals or not all((*parents, last)):
        raise InvalidField("--set", text, "PATH=VALUE, such as budget.minutes=10")
    for name in parents:
        if not isinstance(plan.get(name), dict):
            plan[name] = {}
        plan = plan[name]
    try:
        plan[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InvalidField("--set", text, "PATH=VALUE with a value as YAML has it") from None


def _write_report(client: Client, loop: loop_pb2.Loop, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in loop.artifacts:
        client.pipeline.download_loop_report(loop.name, artifact, folder / artifact.name)


def _show(loop: loop_pb2.Loop, as_json: bool) -> None:
    values = to_json(loop)
    about = pairs(
        {
            "name": loop.name,
            "job": loop.job,
            "state": enum_name(loop, "state"),
            "dataset": loop.dataset,
            "spent": f"{loop.spent_s / 60:.1f} minutes",
            "files": ", ".join(artifact.name for artifact in loop.artifacts),
            "ships": _shipped(loop),
        }
    )
    parts = [about, _trials(values), _rounds(values), "\n".join(loop.skipped), "\n".join(loop.decision.sentences)]
    show(values, as_json, "\n\n".join(part for part in parts if part))


def _trials(loop: dict[str, Any]) -> str:
    rows = [
        (trial["number"], trial["round"], trial["stage"], _values(trial), _outcome(trial), trial["model"])
        for trial in loop["trials"]
    ]
    return table(("TRIAL", "ROUND", "STAGE", "TRIED", "SCORE", "MODEL"), rows) if rows else ""


def _rounds(loop: dict[str, Any]) -> str:
    rows = [
        (
            each["number"],
            f"{each['macro_f1']:.3f} {each['best_arm']}",
            f"{each['baseline_macro_f1']:.3f} {each['best_baseline']}",
            f"{each['lift']:+.3f} ({each['lift_low']:+.3f} to {each['lift_high']:+.3f})",
            f"{each['synthetic_share']:.0%}",
            "passed" if each["passed"] else "refused",
            each["evaluation"],
        )
        for each in loop["rounds"]
        if each["evaluation"]
    ]
    return table(("ROUND", "WITH SAMPLES", "WITHOUT", "LIFT", "SHARE", "GATE", "EVALUATION"), rows) if rows else ""


def _values(trial: dict[str, Any]) -> str:
    # What belongs to one family comes after it.
    names = sorted(trial["values"] or {}, key=lambda name: ("." in name, name))
    found = {name: trial["values"][name] for name in names if trial["values"][name] != ""}
    told = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in found.items()}
    return ", ".join(f"{name}={value}" for name, value in told.items())


def _outcome(trial: dict[str, Any]) -> str:
    return trial["state"].lower() if trial["score"] is None else f"{trial['score']:.4f}"


def _shipped(loop: loop_pb2.Loop) -> str:
    if not loop.HasField("decision"):
        return ""
    decision = loop.decision
    return decision.model or f"{decision.arm} of {decision.dataset}"


def _time(loop: loop_pb2.Loop) -> str:
    return loop.create_time.ToJsonString()
