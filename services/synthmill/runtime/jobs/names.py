"""Names of jobs: "jobs/{service}-{id}", whose ids sort by time."""

from __future__ import annotations

import re
import secrets
import time

from synthmill.runtime.addresses import PORT_OFFSETS
from synthmill.runtime.errors import InvalidField

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
_RANDOM_DIGITS = 8
_PATTERN = re.compile(rf"jobs/([a-z]+)-[{_ALPHABET}]{{{_TIME_DIGITS + _RANDOM_DIGITS}}}")


def new_job_name(service: str) -> str:
    """Makes a name that no other job has."""
    number = time.time_ns() // 1_000_000
    digits = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_TIME_DIGITS)))
    return f"jobs/{service}-{digits}{''.join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_DIGITS))}"


def service_of(name: str) -> str:
    """Returns the service that a job belongs to.

    Raises:
        InvalidField: this is no name of a job.
    """
    match = _PATTERN.fullmatch(name)
    if match is None or match[1] not in PORT_OFFSETS:
        raise InvalidField("name", name, "jobs/{service}-{id}")
    return match[1]
