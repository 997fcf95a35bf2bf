"""Follows a job to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthmill.cli.output import enum_name
from synthmill.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import job_pb2


def follow(client: Client, job: job_pb2.Job) -> job_pb2.Job:
    """Shows the progress of a job and returns it when it has succeeded.

    Raises:
        SynthmillError: the error that ended it.
    """
    with ProgressDisplay(job.name) as display:
        display.say(f"{job.name}; it goes on if this command is stopped")
        return client.jobs.wait(job.name, on_event=lambda event: show_event(display, event))


def show_event(display: ProgressDisplay, event: job_pb2.JobEvent) -> None:
    """Shows what happened to a job."""
    match event.WhichOneof("event"):
        case "progress":
            progress = event.progress
            display.update(progress.done, progress.total, progress.unit, _note(progress), progress.phase)
        case "state":
            display.say(enum_name(event, "state"))
        case "message":
            display.say(event.message)


def _note(progress: job_pb2.JobProgress) -> str:
    parts = [f"{progress.rate:.1f}/s"] if progress.rate else []
    return " ".join(parts + [f"{name} {value:.4g}" for name, value in sorted(progress.metrics.items())])
