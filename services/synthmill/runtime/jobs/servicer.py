"""Answers JobService for the jobs of one service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from synthmill.runtime.drain import Drain
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.v1 import artifact_pb2, job_pb2, job_service_pb2_grpc
from synthmill.v1 import job_service_pb2 as pb


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """JobService over an engine.

    Args:
        jobs: the engine.
        drain: ends streams at shutdown.
    """

    def __init__(self, jobs: JobEngine, drain: Drain) -> None:
        self._jobs = jobs
        self._drain = drain

    async def GetJob(self, request: pb.GetJobRequest, _context: grpc.aio.ServicerContext) -> job_pb2.Job:
        """See the protos."""
        return await asyncio.to_thread(self._jobs.get, request.name)

    async def ListJobs(self, request: pb.ListJobsRequest, _context: grpc.aio.ServicerContext) -> pb.ListJobsResponse:
        """See the protos."""
        return await asyncio.to_thread(self._jobs.list, request)

    async def WatchJob(
        self, request: pb.WatchJobRequest, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[job_pb2.JobEvent]:
        """See the protos."""
        async for event in self._jobs.watch(request.name, request.after_sequence, self._drain):
            yield event

    async def CancelJob(self, request: pb.CancelJobRequest, _context: grpc.aio.ServicerContext) -> job_pb2.Job:
        """See the protos."""
        return await asyncio.to_thread(self._jobs.cancel, request.name)

    async def ResumeJob(self, request: pb.ResumeJobRequest, _context: grpc.aio.ServicerContext) -> job_pb2.Job:
        """See the protos."""
        return await asyncio.to_thread(self._jobs.resume, request.name)

    async def ReadJobPicture(
        self, request: pb.ReadJobPictureRequest, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        """See the protos."""
        async for chunk in self._jobs.read_picture(request.name, request.sha256, request.offset, self._drain):
            yield chunk
