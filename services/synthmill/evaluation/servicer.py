"""The evaluation service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
import dataclasses

import grpc

from synthmill.evaluation import convert
from synthmill.evaluation.policies import choose_classic
from synthmill.evaluation.request import TYPE, make_spec
from synthmill.evaluation.versions import Versions
from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.gate import list_thresholds
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import check_request_id
from synthmill.runtime.structs import to_struct
from synthmill.v1 import evaluation_service_pb2 as pb
from synthmill.v1 import evaluation_service_pb2_grpc, job_pb2

Context = grpc.aio.ServicerContext


class EvaluationServicer(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    """Answers for evaluation.

    Args:
        versions: finds what is to be evaluated.
        jobs: runs the jobs.
    """

    def __init__(self, versions: Versions, jobs: JobEngine) -> None:
        self._versions, self._jobs = versions, jobs

    async def CreateEvaluationJob(self, request: pb.CreateEvaluationJobRequest, context: Context) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        subject = await self._versions.subject(request.subject)
        reference = await self._versions.reference(request.against, subject)
        classic = await choose_classic(get_kind(reference.kind), request, self._versions.policy)
        spec = make_spec(subject, reference, classic, convert.to_asked(request))
        parameters = dataclasses.asdict(spec)
        if request.validate_only:
            return job_pb2.Job(type=TYPE, parameters=to_struct(parameters))
        identity = convert.to_identity(request)
        return await asyncio.to_thread(self._jobs.create, TYPE, parameters, request_id, identity)

    async def ListThresholds(self, request: pb.ListThresholdsRequest, context: Context) -> pb.ListThresholdsResponse:
        return pb.ListThresholdsResponse(thresholds=map(convert.to_threshold, list_thresholds()))
