"""The pipeline service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
from sqlalchemy import Engine

from synthmill.pipeline import convert
from synthmill.pipeline.checking import Checking
from synthmill.pipeline.keeping import find
from synthmill.pipeline.names import TYPE, job_of
from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.record import Record
from synthmill.runtime.artifacts import send_artifact
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import NotFound
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import check_request_id
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.v1 import artifact_pb2, job_pb2, job_service_pb2, loop_pb2, pipeline_service_pb2_grpc
from synthmill.v1 import pipeline_service_pb2 as pb

Context = grpc.aio.ServicerContext

_REPORT = "loop.html"


class PipelineServicer(pipeline_service_pb2_grpc.PipelineServiceServicer):
    """Answers for loops.

    Args:
        checking: checks plans.
        jobs: runs the loops.
        database: where it stands what they have done.
        store: where their reports are.
        drain: ends streams at shutdown.
    """

    def __init__(self, checking: Checking, jobs: JobEngine, database: Engine, store: ObjectStore, drain: Drain) -> None:
        self._checking, self._jobs, self._database = checking, jobs, database
        self._store, self._drain = store, drain

    async def CreateLoopJob(self, request: pb.CreateLoopJobRequest, context: Context) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        plan = await self._checking.check(parse_plan(convert.to_mapping(request.plan)))
        if request.validate_only:
            return job_pb2.Job(type=TYPE, parameters=to_struct(plan.to_json()))
        identity = convert.to_identity(request)
        return await asyncio.to_thread(self._jobs.create, TYPE, plan.to_json(), request_id, identity)

    async def GetLoop(self, request: pb.GetLoopRequest, context: Context) -> loop_pb2.Loop:
        job = await asyncio.to_thread(self._jobs.get, job_of(request.name))
        return _to_loop(job, await self._records([job]), whole=True)

    async def ListLoops(self, request: pb.ListLoopsRequest, context: Context) -> pb.ListLoopsResponse:
        ask = job_service_pb2.ListJobsRequest(page_size=request.page_size, page_token=request.page_token)
        found = await asyncio.to_thread(self._jobs.list, ask)
        records = await self._records(found.jobs)
        loops = [_to_loop(job, records, whole=False) for job in found.jobs]
        return pb.ListLoopsResponse(loops=loops, next_page_token=found.next_page_token)

    async def ReadLoopReport(
        self, request: pb.ReadLoopReportRequest, context: Context
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        job = await asyncio.to_thread(self._jobs.get, job_of(request.name))
        record = (await self._records([job])).get(job.name, Record())
        artifact = _require_artifact(record, request.name, request.artifact or _REPORT)
        async for chunk in send_artifact(self._store, artifact, request.offset, self._drain):
            yield chunk

    async def _records(self, jobs: Sequence[job_pb2.Job]) -> dict[str, Record]:
        return await asyncio.to_thread(find, self._database, [job.name for job in jobs])


def _to_loop(job: job_pb2.Job, records: dict[str, Record], *, whole: bool) -> loop_pb2.Loop:
    plan = parse_plan(from_struct(job.parameters))
    return convert.to_loop(job, plan, records.get(job.name), whole=whole)


def _require_artifact(record: Record, loop: str, name: str) -> Artifact:
    found = next((artifact for artifact in record.artifacts if artifact.name == name), None)
    if found is None:
        there = ", ".join(artifact.name for artifact in record.artifacts) or "none yet"
        raise NotFound(f"artifact: {loop} has no {name!r}; its files are: {there}", field="artifact", value=name)
    return found
