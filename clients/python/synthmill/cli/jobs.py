"""synthmill jobs."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthmill.cli.following import show_event
from synthmill.cli.options import Address, Json, connect, number_option
from synthmill.cli.output import enum_name, pairs, show, table, to_json
from synthmill.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import job_pb2

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Work that takes longer than a second, of all services."
)

_SHOWN_JOBS = 50
_PICTURE_EVERY_S = 1.0

Name = Annotated[str, typer.Argument(metavar="JOB", help="jobs/SERVICE-ID; jobs/ may be left out.")]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE.png", help="Write the latest picture that it has made.")
]


@app.command("list")
def list_jobs(
    service: Annotated[str, typer.Option(help="Only jobs of this service.")] = "",
    state: Annotated[str, typer.Option(help="Only jobs in this state, such as RUNNING.")] = "",
    limit: Annotated[int, number_option("--limit", int, "At most this many of each service.", low=1)] = _SHOWN_JOBS,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    with connect(address) as client:
        services = [service] if service else client.jobs.services
        found = [job for name in services for job in islice(client.jobs.list(name, state=_state(state)), limit)]
    found.sort(key=lambda job: (job.create_time.seconds, job.create_time.nanos), reverse=True)
    rows = [(job.name, job.type, enum_name(job, "state"), progress_text(job), job.result) for job in found]
    show([to_json(job) for job in found], as_json, table(("NAME", "TYPE", "STATE", "DONE", "RESULT"), rows))


@app.command("show")
def show_one(name: Name, picture: Picture = None, address: Address = None, as_json: Json = False) -> None:
    """Show a job."""
    with connect(address) as client:
        job = client.jobs.get(name)
        if picture is not None:
            _write_picture(client, name, picture)
    show_job(job, as_json)


@app.command("watch")
def watch(
    name: Name,
    after: Annotated[int, number_option("--after", int, "Number of the last event already seen.", low=0)] = 0,
    picture: Picture = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Follow a job to its end.

    Exits as the job did. With --json, an event per line. With --picture, the file is written anew whenever there is a
    newer picture.
    """
    from synthmill.client.jobs import raise_unless_succeeded

    with connect(address) as client:
        _watch(client, name, after, as_json, _PictureFile(client, name, picture))
        job = client.jobs.get(name)
    if not as_json:
        show_job(job, as_json)
    raise_unless_succeeded(job)


@app.command("cancel")
def cancel(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Ask a job to stop at its next step."""
    with connect(address) as client:
        show_job(client.jobs.cancel(name), as_json)


@app.command("resume")
def resume(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Put a failed or cancelled job back in the queue.

    It goes on from its last checkpoint.
    """
    with connect(address) as client:
        show_job(client.jobs.resume(name), as_json)


def show_job(job: job_pb2.Job, as_json: bool) -> None:
    """Prints a job."""
    values = to_json(job)
    text = pairs(
        {
            "name": job.name,
            "type": job.type,
            "state": enum_name(job, "state"),
            "progress": progress_text(job),
            "picture": "there is one; --picture FILE.png writes it" if job.progress.HasField("picture") else "",
            "result": job.result,
            "error": job.error.message,
            "attempts": job.attempts,
            "parameters": values["parameters"],
            "created": job.create_time.ToJsonString(),
            "ended": job.end_time.ToJsonString() if job.HasField("end_time") else "",
        }
    )
    show(values, as_json, text)


def _watch(client: Client, name: str, after: int, as_json: bool, picture: _PictureFile) -> None:
    with ProgressDisplay(name) as display:
        for event in client.jobs.watch(name, after_sequence=after):
            picture.see(event)
            if as_json:
                show(to_json(event), as_json, "")
            else:
                show_event(display, event)
        picture.finish()


class _PictureFile:
    """A file that shows the latest picture of a job.

    Args:
        client: asks for it.
        name: of the job.
        path: the file; None for none.
    """

    def __init__(self, client: Client, name: str, path: Path | None) -> None:
        self._client = client
        self._name = name
        self._path = path
        self._told = ""
        self._stale = False
        self._written_s = 0.0

    def see(self, event: job_pb2.JobEvent) -> None:
        """Writes the file if a newer picture is told, unless that was done a moment ago."""
        told = event.progress.picture.sha256
        if self._path is None or told in ("", self._told):
            return
        self._told, self._stale = told, True
        # Old events come all at once, and tell of pictures that are gone.
        if time.monotonic() - self._written_s > _PICTURE_EVERY_S:
            self._write()

    def finish(self) -> None:
        """Writes the file if a newer picture was told since."""
        if self._stale:
            self._write()

    def _write(self) -> None:
        _write_picture(self._client, self._name, self._path)
        self._stale, self._written_s = False, time.monotonic()


def _write_picture(client: Client, name: str, path: Path) -> None:
    from synthmill.client.staging import staged_file

    data = client.jobs.read_picture(name)
    with staged_file(path) as partial:
        partial.write_bytes(data)


def progress_text(job: job_pb2.Job) -> str:
    """Returns how far a job is: "30 of 2000 steps"; empty if it has not said."""
    progress = job.progress
    if not progress.unit:
        return ""
    total = f" of {progress.total}" if progress.total else ""
    return f"{progress.done}{total} {progress.unit}"


def _state(name: str) -> job_pb2.JobState:
    from synthmill.runtime.errors import InvalidField
    from synthmill.v1 import job_pb2

    prefix = "JOB_STATE_"
    try:
        return job_pb2.JobState.Value(prefix + (name.upper() or "UNSPECIFIED"))
    except ValueError:
        allowed = ", ".join(key.removeprefix(prefix) for key in job_pb2.JobState.keys()[1:])
        raise InvalidField("--state", name, f"one of {allowed}") from None
