"""synthmill database."""

from __future__ import annotations

from typing import Annotated

import typer

from synthmill.cli.serving import PASS_ON, run_service

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The databases of services.")


@app.command("migrate", context_settings=PASS_ON)
def migrate(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="catalog, training, ...")],
) -> None:
    """Bring a service's database up to date, and keep what is in it.

    The service's settings follow, --database above all. Services do this by themselves when they start, unless they
    are given --migrate never.
    """
    run_service(service, [*context.args, "--migrate", "only"])
