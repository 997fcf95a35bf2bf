"""Rows of the job tables to messages."""

from __future__ import annotations

import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from synthmill.runtime.jobs.queues import JobQueue
from synthmill.runtime.jobs.tables import JobEventRow, JobRow
from synthmill.runtime.structs import to_struct
from synthmill.v1 import job_pb2, status_pb2


def to_job(row: JobRow) -> job_pb2.Job:
    """Makes the message of a job."""
    job = job_pb2.Job(
        name=row.name,
        type=row.type,
        state=to_state(row.state),
        parameters=to_struct(row.parameters),
        result=row.result,
        attempts=row.attempts,
        last_sequence=row.last_sequence,
        create_time=_to_timestamp(row.create_time),
    )
    if row.progress:
        job.progress.CopyFrom(_to_progress(row.progress))
    if row.error:
        job.error.CopyFrom(job_pb2.JobError(**row.error))
    if row.end_time:
        job.end_time.CopyFrom(_to_timestamp(row.end_time))
    return job


def to_event(row: JobRow, event: JobEventRow) -> job_pb2.JobEvent:
    """Makes the message of an event; one that is a change of state carries the job."""
    message = job_pb2.JobEvent(sequence=event.sequence, time=_to_timestamp(event.time))
    if "state" in event.content:
        message.state = to_state(event.content["state"])
        message.job.CopyFrom(to_job(row))
    elif "progress" in event.content:
        message.progress.CopyFrom(_to_progress(event.content["progress"]))
    else:
        message.message = event.content["message"]
    return message


def to_queue(queue: JobQueue) -> status_pb2.JobQueue:
    """Makes the message of the jobs of one type."""
    return status_pb2.JobQueue(
        type=queue.type,
        pending=queue.pending,
        longest_pending_s=queue.longest_pending_s,
        running=queue.running,
        longest_silent_s=queue.longest_silent_s,
        failed=queue.failed,
    )


def to_state(state: str) -> job_pb2.JobState:
    """Makes the enum's number of a state of the table."""
    return job_pb2.JobState.Value(f"JOB_STATE_{state}")


def from_state(state: job_pb2.JobState) -> str:
    """Returns a state as the table names it; empty if unspecified."""
    name = job_pb2.JobState.Name(state).removeprefix("JOB_STATE_")
    return "" if name == "UNSPECIFIED" else name


def _to_progress(progress: dict[str, Any]) -> job_pb2.JobProgress:
    return job_pb2.JobProgress(**progress)


def _to_timestamp(moment: datetime.datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
