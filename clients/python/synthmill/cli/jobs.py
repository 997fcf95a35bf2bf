"""synthmill jobs."""

from __future__ import annotations

from itertools import islice
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

Name = Annotated[str, typer.Argument(metavar="JOB", help="jobs/SERVICE-ID; jobs/ may be left out.")]


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
    rows = [(job.name, job.type, enum_name(job, "state"), _done(job), job.result) for job in found]
    show([to_json(job) for job in found], as_json, table(("NAME", "TYPE", "STATE", "DONE", "RESULT"), rows))


@app.command("show")
def show_one(name: Name, address: Address = None, as_json: Json = False) -> None:
    """Show a job."""
    with connect(address) as client:
        show_job(client.jobs.get(name), as_json)


@app.command("watch")
def watch(
    name: Name,
    after: Annotated[int, number_option("--after", int, "Number of the last event already seen.", low=0)] = 0,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Follow a job to its end; with --json, an event per line. Exits as the job did."""
    from synthmill.client.jobs import raise_unless_succeeded

    with connect(address) as client:
        _watch(client, name, after, as_json)
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
    """Put a failed or cancelled job back in the queue; it goes on from its last checkpoint."""
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
            "progress": _done(job),
            "result": job.result,
            "error": job.error.message,
            "attempts": job.attempts,
            "parameters": values["parameters"],
            "created": job.create_time.ToJsonString(),
            "ended": job.end_time.ToJsonString() if job.HasField("end_time") else "",
        }
    )
    show(values, as_json, text)


def _watch(client: Client, name: str, after: int, as_json: bool) -> None:
    with ProgressDisplay(name) as display:
        for event in client.jobs.watch(name, after_sequence=after):
            if as_json:
                show(to_json(event), as_json, "")
            else:
                show_event(display, event)


def _done(job: job_pb2.Job) -> str:
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
