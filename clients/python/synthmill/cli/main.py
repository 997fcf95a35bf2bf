"""The `synthmill` command: its verbs, and what it exits with."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from importlib.metadata import version
from types import FrameType
from typing import Annotated

import typer

from synthmill.cli import (
    audit,
    augmentation,
    bench,
    database,
    datasets,
    evaluation,
    jobs,
    loop,
    models,
    sampling,
    serving,
    status,
    tokens,
    training,
)
from synthmill.cli.exit_codes import FAULT, exit_code, signal_exit_code
from synthmill.cli.tracing import end_trace
from synthmill.runtime.errors import SynthmillError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Stopped(BaseException):
    """A signal asked the command to stop; what it was writing is cleaned up on the way out.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> None:
    """Runs the command; errors become one line on stderr and an exit code per class."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        try:
            with _stops_told_as_such():
                app()
        finally:
            end_trace()
    except SynthmillError as error:
        _explain(error)
        sys.exit(exit_code(error))
    except OSError as error:
        print(f"synthmill: {error}", file=sys.stderr)
        sys.exit(FAULT)
    except Stopped as stopped:
        sys.exit(signal_exit_code(stopped.number))


@contextlib.contextmanager
def _stops_told_as_such() -> Iterator[None]:
    """Raises the stop behind an error that only came of it.

    A signal strikes anywhere, even in the middle of taking a lock, which is then released without having been taken.
    """
    try:
        yield
    except Exception as error:
        behind = error.__context__
        while behind is not None:
            if isinstance(behind, Stopped):
                raise behind from error
            behind = behind.__context__
        raise


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"synthmill {version('synthmill')}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Synthmill mints training data: it trains generators on your data and streams samples of them."""


def _explain(error: SynthmillError) -> None:
    if "--json" in sys.argv:
        told = {"error": {"reason": error.reason, "message": error.message, "metadata": error.metadata}}
        print(json.dumps(told, ensure_ascii=False), file=sys.stderr)
        return
    message = " ".join(error.message.split())
    allowed = error.metadata.get("allowed", "")
    # Metadata are cut short where they are long; the message may have all of it.
    hint = f" (allowed: {allowed})" if allowed.rstrip("…") not in message else ""
    print(f"synthmill: {message}{hint}", file=sys.stderr)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
app.add_typer(augmentation.app, name="policies")
app.command("augment")(augmentation.augment)
app.command("train")(training.train)
app.command("families")(training.families)
app.command("filter")(training.filter_model)
app.command("sample")(sampling.sample)
app.command("evaluate")(evaluation.evaluate)
app.add_typer(evaluation.app, name="evaluations")
app.add_typer(loop.app, name="loop")
app.add_typer(bench.app, name="bench")
app.add_typer(database.app, name="database")
app.add_typer(tokens.app, name="tokens")
app.add_typer(audit.app, name="audit")
app.command("status")(status.status)
app.command("up")(serving.up)
app.command("serve", context_settings=serving.PASS_ON)(serving.serve)
