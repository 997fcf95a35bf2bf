"""Six real services with something in them, and the valid requests that they were filled and asked with."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
from fuzz.methods import SERVICES, Method, all_methods
from google.protobuf.message import Message

from support.cluster import Cluster
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.errors import SynthmillError
from synthmill.v1 import job_pb2, job_service_pb2

FLAGS = {
    "augmentation": ["--memory-mb", "256", "--threads", "1"],
    "sampling": ["--max-models", "4", "--answer-memory-mb", "128", "--system-shared-memory", "true"],
}
_DEADLINE_S = 60.0
_FINAL = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)
_UNDER_WAY = (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)


@dataclasses.dataclass
class World:
    """Running services, and how to ask them properly.

    Attributes:
        cluster: the processes.
        methods: all of their methods.
        valid: requests that were answered, by path of the method; see `strategies.Valid`.
        names: of what there is, and other words that mean something to some service.
    """

    cluster: Cluster
    methods: list[Method]
    valid: dict[str, list[list[Message]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    names: list[str] = dataclasses.field(default_factory=list)
    _channels: dict[str, grpc.Channel] = dataclasses.field(default_factory=dict)

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where each service listens."""
        return {name: self.cluster.address(name) for name in SERVICES}

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each service."""
        return {name: self.cluster.services[name].pid for name in SERVICES}

    def ask(self, service: str, name: str, *messages: Message) -> list[Message]:
        """Calls a method and remembers the request; returns the answers, none if the service refused.

        A request that a service refuses for what it holds, and not for its form, is as good a beginning as any.
        """
        (method,) = [each for each in self.methods if each.service == service and each.name == name]
        self.valid[method.path].append(list(messages))
        with contextlib.suppress(SynthmillError):
            return self._call(method, list(messages))
        return []

    def finish(self, service: str, job: job_pb2.Job) -> job_pb2.Job:
        """Waits until a job has ended."""
        self.ask(service, "WatchJob", job_service_pb2.WatchJobRequest(name=job.name))
        (ended,) = self.ask(service, "GetJob", job_service_pb2.GetJobRequest(name=job.name))
        assert ended.state in _FINAL, ended
        return ended

    def cancel_jobs(self) -> None:
        """Asks all jobs to stop, those that wait first, so that none begins instead."""
        for service in SERVICES:
            if service == "sampling":
                continue
            for state in _UNDER_WAY:
                listed = self._job_method(service, "ListJobs")
                (page,) = self._call(listed, [job_service_pb2.ListJobsRequest(state=state, page_size=1000)])
                for job in page.jobs:
                    with contextlib.suppress(SynthmillError):
                        self._call(
                            self._job_method(service, "CancelJob"), [job_service_pb2.CancelJobRequest(name=job.name)]
                        )

    def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            channel.close()

    def _job_method(self, service: str, name: str) -> Method:
        return next(
            each for each in self.methods if each.service == service and each.path.endswith(f"JobService/{name}")
        )

    def _call(self, method: Method, messages: list[Message]) -> list[Message]:
        if method.service not in self._channels:
            self._channels[method.service] = connect_sync(self.cluster.address(method.service))
        form = f"{'stream' if method.streams_in else 'unary'}_{'stream' if method.streams_out else 'unary'}"
        call = getattr(self._channels[method.service], form)(
            method.path, lambda message: message.SerializeToString(), method.response.FromString
        )
        answer = call(iter(messages) if method.streams_in else messages[0], timeout=_DEADLINE_S)
        return list(answer) if method.streams_out else [answer]


@contextlib.contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Runs six empty services for the length of a with block."""
    cluster = Cluster(folder, allowed_roots=[folder / "sources"])
    (folder / "sources").mkdir()
    world = World(cluster, all_methods())
    try:
        for service in SERVICES:
            cluster.add(service, flags=FLAGS.get(service))
        yield world
    finally:
        world.close()
        cluster.kill()


def request_id(number: int) -> str:
    """Returns the UUID that a valid request goes by: what is made of it has the same, and begins nothing new."""
    return str(uuid.UUID(int=number))
