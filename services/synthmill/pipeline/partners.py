"""The other services as a loop calls them: patiently, and their jobs to the end."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from synthmill.pipeline.config import PipelineConfig
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.errors import DeadlineExceeded, FailedPrecondition, SynthmillError, rebuild
from synthmill.runtime.jobs.publication import ask_patiently
from synthmill.v1 import (
    augmentation_service_pb2_grpc,
    catalog_service_pb2_grpc,
    evaluation_service_pb2_grpc,
    job_pb2,
    job_service_pb2_grpc,
    sampling_service_pb2_grpc,
    training_service_pb2_grpc,
)
from synthmill.v1 import job_service_pb2 as pb

_DEADLINE_S = 60.0
# A watch is begun anew so often, and each time it is looked whether the loop is to go on.
_LOOK_S = 3.0

_FAILED, _SUCCEEDED = job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_SUCCEEDED
_CANCELLED = (job_pb2.JOB_STATE_CANCELLING, job_pb2.JOB_STATE_CANCELLED)

OnEvent = Callable[[job_pb2.JobEvent], None]


class JobStopped(Exception):
    """Raised where the events of a job are looked at: it is not worth going on with."""


class JobFailed(Exception):
    """A job of another service has not done what it was asked for.

    Attributes:
        job: its name.
        error: why.
    """

    def __init__(self, job: job_pb2.Job, error: SynthmillError) -> None:
        super().__init__(error.message)
        self.job, self.error = job.name, error


class Partner:
    """One of the other services.

    Args:
        stub: of it.
        channel: to it.
        patience_s: how long to wait if it cannot be reached or is overloaded, in seconds.
        check: called now and then; raises to stop.

    Attributes:
        stub: as given.
        patience_s: as given.
    """

    def __init__(
        self, stub: Callable[[grpc.Channel], Any], channel: grpc.Channel, patience_s: float, check: Callable[[], None]
    ) -> None:
        self.stub, self.patience_s = stub(channel), patience_s
        self._jobs = job_service_pb2_grpc.JobServiceStub(channel)
        self._check = check

    def ask(self, method: str, request: Any, deadline_s: float = _DEADLINE_S) -> Any:
        """Returns the answer to a request that may be repeated.

        Raises:
            SynthmillError: whatever the service answers, or that it was away for too long.
        """
        call = getattr(self.stub, method)
        return ask_patiently(lambda: call(request, timeout=deadline_s), self.patience_s, self._check)

    def follow(self, job: job_pb2.Job, on_event: OnEvent, *, retry: bool) -> job_pb2.Job:
        """Follows a job until it has succeeded, and returns it.

        Its events are handed on from the first on, old ones too. What was cancelled before it is followed goes on.

        Args:
            job: as the service has returned it.
            on_event: called with each event.
            retry: whether a job that had failed before goes on, too.

        Raises:
            JobFailed: it has failed, or somebody has cancelled it.
            SynthmillError: the service was away for too long, or what `check` and `on_event` raise.
        """
        last = self._watch(job.name, 0, on_event)
        if job.state in _CANCELLED or (retry and job.state == _FAILED):
            self._resume(job.name)
            self._watch(job.name, last, on_event)
        ended = self._job("GetJob", pb.GetJobRequest(name=job.name))
        if ended.state == _SUCCEEDED:
            return ended
        if ended.state == _FAILED:
            raise JobFailed(ended, rebuild(ended.error.reason, ended.error.message, dict(ended.error.metadata)))
        raise JobFailed(ended, FailedPrecondition(f"{job.name} was cancelled by somebody else", job=job.name))

    def cancel(self, job: str) -> None:
        """Asks a job to stop, if it can still be."""
        with contextlib.suppress(SynthmillError):
            self._jobs.CancelJob(pb.CancelJobRequest(name=job), timeout=_DEADLINE_S)

    def _job(self, method: str, request: Any) -> Any:
        call = getattr(self._jobs, method)
        return ask_patiently(lambda: call(request, timeout=_DEADLINE_S), self.patience_s, self._check)

    def _resume(self, name: str) -> None:
        # Somebody else may have done so meanwhile.
        with contextlib.suppress(FailedPrecondition):
            self._job("ResumeJob", pb.ResumeJobRequest(name=name))

    def _watch(self, name: str, last: int, on_event: OnEvent) -> int:
        """Hands on the events after one of them until the job has ended, and returns the number of the last."""

        def look() -> bool:
            nonlocal last
            request = pb.WatchJobRequest(name=name, after_sequence=last)
            try:
                for event in self._jobs.WatchJob(request, timeout=_LOOK_S):
                    if event.sequence:
                        last = event.sequence
                        on_event(event)
            except DeadlineExceeded:
                return False
            # A stream of events ends by itself only if the job has.
            return True

        while not ask_patiently(look, self.patience_s, self._check):
            pass
        return last


@dataclasses.dataclass(frozen=True)
class Partners:
    """All of the other services."""

    catalog: Partner
    augmentation: Partner
    training: Partner
    sampling: Partner
    evaluation: Partner


@contextlib.contextmanager
def open_partners(config: PipelineConfig, check: Callable[[], None]) -> Iterator[Partners]:
    """Connects to the other services for the length of a with block."""
    stubs = {
        "catalog": catalog_service_pb2_grpc.CatalogServiceStub,
        "augmentation": augmentation_service_pb2_grpc.AugmentationServiceStub,
        "training": training_service_pb2_grpc.TrainingServiceStub,
        "sampling": sampling_service_pb2_grpc.SamplingServiceStub,
        "evaluation": evaluation_service_pb2_grpc.EvaluationServiceStub,
    }
    with contextlib.ExitStack() as stack:
        opened = {}
        for service, stub in stubs.items():
            channel = stack.enter_context(connect_sync(getattr(config, f"{service}_address"), config.credentials))
            opened[service] = Partner(stub, channel, config.patience_s, check)
        yield Partners(**opened)
