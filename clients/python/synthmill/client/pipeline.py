"""Loops: from data to what is worth shipping."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from synthmill.client.blocking import Blocking, blocking, blocking_iterator
from synthmill.client.messages import full_name, make, new_request_id
from synthmill.client.plans import PlanSource, to_plan
from synthmill.client.services import ServiceClient
from synthmill.v1 import artifact_pb2, job_pb2, loop_pb2
from synthmill.v1 import pipeline_service_pb2 as pb
from synthmill.v1.pipeline_service_pb2_grpc import PipelineServiceStub


class AsyncPipeline(ServiceClient):
    """The pipeline service. Loops are named "loops/{id}"; "loops/" may be left out."""

    stub = PipelineServiceStub

    async def create_loop_job(
        self, plan: PlanSource, *, request_id: str = "", validate_only: bool = False
    ) -> job_pb2.Job:
        """Begins a loop; the job's result is its name.

        That samples turn out not to help is a finding: the job succeeds, and `Loop.decision` says what is shipped.

        Args:
            plan: what to do: a mapping such as {"dataset": "pets"}, the path of a YAML file, or a message.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the plan; the job returned has no name, and its parameters are the
                plan with every default.

        Raises:
            InvalidField: the plan has a value that is not allowed; the field is its path: "budget.trials".
            NotFound: there is no such dataset, kind or policy.
            FailedPrecondition: the dataset has no classes, or no validation or test records.
        """
        request = make(
            pb.CreateLoopJobRequest,
            plan=to_plan(plan),
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
        )
        return await self._unary("CreateLoopJob", request)

    async def get_loop(self, name: str) -> loop_pb2.Loop:
        """Returns a loop: its trials, rounds and decision, as far as they are; also while it runs."""
        return await self._unary("GetLoop", pb.GetLoopRequest(name=full_name("loops", name)))

    async def list_loops(self) -> AsyncGenerator[loop_pb2.Loop, None]:
        """Yields loops, the newest first, without steps, trials and files."""
        async with contextlib.aclosing(self._pages("ListLoops", pb.ListLoopsRequest(), "loops")) as loops:
            async for item in loops:
                yield item

    async def read_loop_report(self, name: str, artifact: artifact_pb2.Artifact) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of a file of a loop; a stream that breaks is taken up where it ended.

        Args:
            artifact: one of `Loop.artifacts`.

        Raises:
            NotFound: there is no such file, or a newer one in its place.
            DataLoss: the service has lost it.
        """
        request = pb.ReadLoopReportRequest(name=full_name("loops", name), artifact=artifact.name)
        async with contextlib.aclosing(self._file("ReadLoopReport", request, artifact)) as pieces:
            async for piece in pieces:
                yield piece

    async def download_loop_report(self, name: str, artifact: artifact_pb2.Artifact, path: str | Path) -> None:
        """Writes a file of a loop to a path, at once or not at all.

        Raises:
            DataLoss: the bytes do not have the digest announced.
        """
        await self._download(name, artifact, self.read_loop_report(name, artifact), Path(path))


class Pipeline(Blocking[AsyncPipeline]):
    """The pipeline service; methods as in `AsyncPipeline`, without await."""

    create_loop_job = blocking(AsyncPipeline.create_loop_job)
    get_loop = blocking(AsyncPipeline.get_loop)
    list_loops = blocking_iterator(AsyncPipeline.list_loops)
    read_loop_report = blocking_iterator(AsyncPipeline.read_loop_report)
    download_loop_report = blocking(AsyncPipeline.download_loop_report)
