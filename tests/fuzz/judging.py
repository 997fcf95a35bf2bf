"""What an answer must be like, and what a service may not have said in its log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
from fuzz.calling import Outcome

_FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
# gRPC itself ends calls with these, on either side.
_OF_GRPC = (grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED)
_SHORT_S = 1.0


def fault_in(outcome: Outcome) -> str:
    """Returns what is wrong with an outcome; nothing if it is an answer, or an error that says what it is."""
    code, request = outcome.code, outcome.request
    if code is grpc.StatusCode.OK:
        return ""
    if code in _FAULTS:
        return f"{code.name}: {outcome.message}"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        patient = request.timeout_s > _SHORT_S and not request.method.streams_out
        return f"no answer in {request.timeout_s:g} s" if patient else ""
    if request.method.is_ours and not outcome.reason and code not in _OF_GRPC:
        return f"{code.name} without a reason: {outcome.message}"
    return ""


def faults_in(log: str) -> Iterator[str]:
    """Yields the lines of a service's log that tell of a fault of its own."""
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            if line.startswith("Traceback"):
                yield line
            continue
        if told["level"] in ("error", "critical") or "exception" in told:
            yield line
