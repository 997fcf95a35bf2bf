"""Names of loops: "loops/{id}", whose job is "jobs/pipeline-{id}"."""

from __future__ import annotations

import re

from synthmill.runtime.errors import InvalidField

TYPE = "loop"

LOOPS = "loops"

_JOBS = "jobs/pipeline-"
_PATTERN = re.compile(rf"{LOOPS}/([0-9a-z]{{18}})")


def loop_of(job: str) -> str:
    """Returns the name of the loop that a job runs."""
    return f"{LOOPS}/{job.removeprefix(_JOBS)}"


def job_of(loop: str) -> str:
    """Returns the name of the job that runs a loop.

    Raises:
        InvalidField: this is no name of a loop.
    """
    match = _PATTERN.fullmatch(loop)
    if match is None:
        raise InvalidField("name", loop, f"{LOOPS}/{{id}}")
    return f"{_JOBS}{match[1]}"
