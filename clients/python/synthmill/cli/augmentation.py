"""synthmill augment, and synthmill policies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.following import follow
from synthmill.cli.jobs import show_job
from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import pairs, show, table, to_json

if TYPE_CHECKING:
    from synthmill.v1 import augmentation_service_pb2, policy_pb2

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Augmentation policies: programmes of operations on records."
)

PolicyName = Annotated[
    str,
    typer.Argument(
        metavar="POLICY",
        help="YAML file, name of a ready-made policy, or policies/NAME or policies/NAME/versions/N for a saved one.",
    ),
]
KindName = Annotated[str, typer.Option("--kind", help="Kind of the records; image by default.")]


def augment(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="NAME, or NAME/versions/N.")],
    policy: Annotated[
        str,
        typer.Option(
            metavar="FILE.yaml|NAME|policies/NAME",
            help="Policy: a YAML file, a ready-made one, or a saved one, which may end in /versions/N.",
        ),
    ],
    copies: Annotated[
        int | None, number_option("--copies", int, "Results for each record, 1 by default.", low=1)
    ] = None,
    per_class: Annotated[
        int | None, number_option("--per-class", int, "Records that each class is brought to.", low=1)
    ] = None,
    balance: Annotated[bool, typer.Option("--balance", help="Bring every class to the size of the largest.")] = False,
    without_originals: Annotated[
        bool, typer.Option("--without-originals", help="Leave the real records out of the result.")
    ] = False,
    name: Annotated[
        str, typer.Option("--name", help="Dataset to add a version to; DATASET-augmented by default.")
    ] = "",
    seed: Annotated[int, number_option("--seed", int, "Seed of everything that is drawn.")] = 0,
    request_id: Annotated[str, typer.Option(help="UUID; a second run with the same one gets the same job.")] = "",
    follow_it: Annotated[bool, typer.Option("--follow", help="Show progress until the dataset is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and resolve the request.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Augment the training records of a dataset, as a new version.

    The other splits are taken over as they are. Give one of --copies, --per-class and --balance.
    """
    with connect(address) as client:
        job = client.augmentation.create_augmentation_job(
            dataset,
            policy,
            name=name,
            copies=copies or 0,
            records_per_class=per_class or 0,
            balance=balance,
            without_originals=without_originals,
            seed=seed,
            request_id=request_id,
            validate_only=dry_run,
        )
        show_job(follow(client, job) if follow_it and not dry_run else job, as_json)


@app.command("list")
def list_policies(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only versions of this saved policy.")] = "",
    kind: Annotated[str, typer.Option(help="Only policies for this kind of data.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List policies, ready-made and saved.

    Of saved ones, every version is listed, the newest first.
    """
    with connect(address) as client:
        ready_made = [] if name else client.augmentation.list_ready_made_policies(kind)
        saved = [version for version in client.catalog.list_policies(name) if kind in ("", version.kind)]
    values = [*map(_listed, ready_made), *map(_listed, saved)]
    rows = [(v["name"], v["kind"], len(v["policy"]["steps"]), v["create_time"] or "", v["digest"]) for v in values]
    show(values, as_json, table(("NAME", "KIND", "STEPS", "CREATED", "DIGEST"), rows))


@app.command("show")
def show_policy(policy: PolicyName, kind: KindName = "", address: Address = None, as_json: Json = False) -> None:
    """Show a policy with every default written out.

    What is printed is YAML, to begin a policy of your own with.
    """
    import yaml

    with connect(address) as client:
        found = client.augmentation.resolve_policy(policy, kind=kind)
    value = _told(found.policy, policy_name=found.policy_name, digest=found.digest)
    text = yaml.safe_dump(value["policy"], sort_keys=False, default_flow_style=None, width=120).rstrip()
    show(value, as_json, f"# {found.policy_name}\n{text}" if found.policy_name else text)


@app.command("save")
def save_policy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Policy to add a version to.")],
    policy: PolicyName,
    kind: KindName = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Save a policy in the catalog, as a new version.

    If the newest version does the same already, it is left at that.
    """
    with connect(address) as client:
        saved = client.augmentation.save_policy(name, policy, kind=kind)
    show(_listed(saved), as_json, f"{saved.name}: {saved.digest}")


@app.command("delete")
def delete_policy(
    name: Annotated[str, typer.Argument(metavar="VERSION", help="NAME/versions/N.")],
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Delete a version of a saved policy.

    Datasets that were made by it stay, and still tell what was done to their records.
    """
    with connect(address) as client:
        client.catalog.delete_policy(name)
    show({"deleted": name}, as_json, f"deleted {name}")


@app.command("check")
def check_policy(policy: PolicyName, kind: KindName = "", address: Address = None, as_json: Json = False) -> None:
    """Check a policy.

    Says what is wrong and where; otherwise, its digest: the same for policies that do the same.
    """
    with connect(address) as client:
        found = client.augmentation.resolve_policy(policy, kind=kind)
    show({"policy": policy, "digest": found.digest}, as_json, f"{policy}: {found.digest}")


@app.command("operations")
def list_operations(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this one, with its parameters.")] = "",
    kind: Annotated[str, typer.Option(help="Only operations on this kind of data.")] = "",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List the operations that policies are made of."""
    from synthmill.runtime.errors import NotFound

    with connect(address) as client:
        found = client.augmentation.list_operations(kind)
    chosen = [operation for operation in found if name in ("", operation.name)]
    if not chosen:
        raise NotFound(f"NAME: there is no {name!r}, only {', '.join(operation.name for operation in found)}")
    values = [to_json(operation) for operation in chosen]
    if not name:
        rows = [(item["name"], item["group"], item["kind"], item["description"]) for item in values]
        text = table(("NAME", "GROUP", "KIND", "MEANING"), rows)
    else:
        text = "\n\n".join(map(_describe, values))
    show(values, as_json, text)


@app.command("preview")
def preview(
    policy: PolicyName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="PNG or JPEG file.")],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Picture to write.")],
    count: Annotated[int, number_option("--count", int, "Results to show.", low=1, high=256)] = 16,
    seed: Annotated[int, number_option("--seed", int, "Seed of everything that is drawn.")] = 0,
    start: Annotated[int, number_option("--start", int, "Index of the first result.", low=0)] = 0,
    pool: Annotated[str, typer.Option(help="Dataset that the image is mixed with, if the policy mixes.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Draw what a policy makes of an image, many times."""
    from synthmill.client.staging import check_free, staged_file

    check_free(out, overwrite=overwrite)
    with connect(address) as client:
        record = {"encoded": image.read_bytes()}
        picture = client.augmentation.preview(record, policy, count=count, seed=seed, start_index=start, pool=pool)
    with staged_file(out) as partial:
        partial.write_bytes(picture)
    show({"out": str(out), "count": count}, as_json, str(out))


def _told(policy: policy_pb2.Policy, **more: Any) -> dict[str, Any]:
    """Returns a policy as it is written in YAML, and what else there is to tell."""
    from synthmill.kinds.policy_messages import to_mapping
    from synthmill.runtime.structs import with_integers

    return {**more, "policy": with_integers(to_mapping(policy))}


def _listed(policy: augmentation_service_pb2.ReadyMadePolicy | policy_pb2.PolicyVersion) -> dict[str, Any]:
    """Returns what a list tells of a policy; one that is ready made was created at no time."""
    created = to_json(policy).get("create_time")
    return _told(policy.policy, name=policy.name, kind=policy.kind, digest=policy.digest, create_time=created)


def _describe(operation: dict[str, Any]) -> str:
    told = pairs({name: operation[name] for name in ("name", "kind", "group", "description", "partners")})
    rows = [(p["name"], p["type"], p["default_value"], p["allowed"], p["description"]) for p in operation["parameters"]]
    return f"{told}\n\n{table(('PARAMETER', 'TYPE', 'DEFAULT', 'ALLOWED', 'MEANING'), rows)}" if rows else told
