"""synthmill audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from synthmill.cli.options import Json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The logs of what was asked to change.")


@app.command("verify")
def verify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Logs, or folders of them.")],
    noted: Annotated[
        Path | None, typer.Option("--noted", metavar="FILE", help="What --json printed earlier; must still hold.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify that no entry of a log was changed, taken out or put in.

    If one was, the command exits as after DataLoss. A log cannot tell by itself that its end was cut off, or that all
    of it was made anew. What --json prints, kept elsewhere, does: give it back with --noted.
    """
    from synthmill.cli.output import show, table
    from synthmill.runtime.errors import DataLoss

    found = [_verified(path, _noted(noted)) for path in _logs(paths)]
    rows = [(log["log"], f"{log['entries']:,}", log["head"][:12], log["fault"] or "holds") for log in found]
    show({"logs": found}, as_json, table(("LOG", "ENTRIES", "HEAD", "VERDICT"), rows))
    faulty = [log for log in found if log["fault"]]
    if faulty:
        raise DataLoss(f"{faulty[0]['log']}: {faulty[0]['fault']}", field="log", value=faulty[0]["log"])


def _logs(paths: list[Path]) -> list[Path]:
    from synthmill.runtime.errors import InvalidField

    found: list[Path] = []
    for path in paths:
        logs = sorted(path.glob("*.jsonl")) if path.is_dir() else [path] * path.is_file()
        if not logs:
            raise InvalidField("PATH", str(path), "a log, or a folder with logs (*.jsonl)")
        found += logs
    return found


def _noted(path: Path | None) -> dict[str, Any]:
    from synthmill.runtime.errors import InvalidField

    if path is None:
        return {}
    try:
        return {log["log"]: log for log in json.loads(path.read_text())["logs"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidField("--noted", str(path), f"a file with what --json printed ({error})") from None


def _verified(path: Path, noted: dict[str, Any]) -> dict[str, Any]:
    from synthmill.runtime.security.audit import FIRST, verify

    found = verify(path.read_bytes())
    fault, before = found.fault, noted.get(path.name)
    if not fault and before and [FIRST, *found.digests][before["entries"] :][:1] != [before["head"]]:
        fault = f"the {before['entries']:,} entries that were noted are not its beginning any more"
    return {"log": path.name, "entries": found.entries, "head": found.head, "fault": fault}
