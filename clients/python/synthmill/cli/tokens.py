"""synthmill tokens."""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from typing import Annotated

import typer

from synthmill.cli.options import Json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokens that services let in.")

_BYTES = 32


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list that services are given as --tokens.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Whose it is: a person's or a program's name.")],
    roles: Annotated[list[str], typer.Option("--role", help="What it may do; may be repeated.")],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose work it is, for quotas and turns.")] = "",
    days: Annotated[float, typer.Option("--days", min=0.001, help="How long it is good for.")] = 365.0,
    as_json: Json = False,
) -> None:
    """Make a token, add its digest to a list, and print it, once.

    Services that were given the list let it in within a second. Whoever reads the list cannot make the token of it.
    """
    import yaml

    from synthmill.cli.output import show
    from synthmill.client.staging import staged_file
    from synthmill.runtime.errors import InvalidField
    from synthmill.runtime.security.roles import with_included
    from synthmill.runtime.security.tokens import StaticTokens, digest_of

    try:
        with_included(roles)
    except InvalidField as error:
        raise InvalidField("--role", error.metadata["value"], error.metadata["allowed"]) from None
    if file.exists():
        # A damaged list is told before it is added to.
        StaticTokens(str(file))
    token = secrets.token_urlsafe(_BYTES)
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    entry = {"subject": subject, "tenant": tenant, "roles": roles, "sha256": digest_of(token)}
    entry["expires"] = expires.isoformat(timespec="seconds")
    listed = yaml.safe_load(file.read_text()) or [] if file.exists() else []
    # In one step: a service may be reading it.
    with staged_file(file) as fresh:
        fresh.write_text(yaml.safe_dump([*listed, entry], sort_keys=False))
    show({"token": token, **entry}, as_json, token)
