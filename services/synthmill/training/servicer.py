"""The training service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
import dataclasses

import grpc

from synthmill.kinds.registry import all_kinds
from synthmill.runtime.errors import NotFound
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import DATASETS, check_request_id, parse_name
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.training import convert
from synthmill.training.request import TYPE, make_spec
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, job_pb2, training_service_pb2_grpc
from synthmill.v1 import training_service_pb2 as pb

_CATALOG_DEADLINE_S = 10.0


class TrainingServicer(training_service_pb2_grpc.TrainingServiceServicer):
    """Answers for training.

    Args:
        catalog: channel to the catalog service.
        jobs: runs the jobs.
    """

    def __init__(self, catalog: grpc.aio.Channel, jobs: JobEngine) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)
        self._jobs = jobs

    async def CreateTrainingJob(
        self, request: pb.CreateTrainingJobRequest, context: grpc.aio.ServicerContext
    ) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        parse_name(DATASETS, "dataset", request.dataset)
        ask = catalog_service_pb2.GetDatasetRequest(name=request.dataset)
        dataset = await self._catalog.GetDataset(ask, timeout=_CATALOG_DEADLINE_S)
        spec = make_spec(dataset, request.family, request.model, from_struct(request.parameters), request.seed)
        parameters = dataclasses.asdict(spec)
        if request.validate_only:
            return job_pb2.Job(type=TYPE, parameters=to_struct(parameters))
        identity = convert.to_identity(request)
        return await asyncio.to_thread(self._jobs.create, TYPE, parameters, request_id, identity)

    async def ListFamilies(
        self, request: pb.ListFamiliesRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListFamiliesResponse:
        kinds = all_kinds()
        if request.kind and request.kind not in kinds:
            raise NotFound(f"kind: there is no {request.kind!r}, only {', '.join(sorted(kinds))}", field="kind")
        wanted = [kinds[request.kind]] if request.kind else [kinds[name] for name in sorted(kinds)]
        return pb.ListFamiliesResponse(families=[family for kind in wanted for family in convert.to_families(kind)])
