"""The training service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
import dataclasses

import grpc

from synthmill.kinds.registry import all_kinds
from synthmill.learning.compress.task import DEFAULT_MAX_LOSS
from synthmill.runtime.errors import FailedPrecondition, NotFound
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import DATASETS, MODELS, check_request_id, parse_name
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.training import compression, convert, filters
from synthmill.training.request import TYPE, make_spec
from synthmill.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    dataset_pb2,
    job_pb2,
    model_pb2,
    training_service_pb2_grpc,
)
from synthmill.v1 import training_service_pb2 as pb

_CATALOG_DEADLINE_S = 10.0


class TrainingServicer(training_service_pb2_grpc.TrainingServiceServicer):
    """Answers for training.

    Args:
        catalog: channel to the catalog service.
        jobs: runs the jobs.
        executor: where trainings run that do not say.
    """

    def __init__(self, catalog: grpc.aio.Channel, jobs: JobEngine, executor: str) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)
        self._jobs = jobs
        self._executor = executor

    async def CreateTrainingJob(
        self, request: pb.CreateTrainingJobRequest, context: grpc.aio.ServicerContext
    ) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        dataset = await self._dataset(request.dataset)
        spec = make_spec(dataset, convert.to_asked(request, self._executor))
        parameters = dataclasses.asdict(spec)
        if request.validate_only:
            return job_pb2.Job(type=TYPE, parameters=to_struct(parameters))
        identity = convert.to_identity(request)
        return await asyncio.to_thread(self._jobs.create, TYPE, parameters, request_id, identity)

    async def CreateCompressionJob(
        self, request: pb.CreateCompressionJobRequest, context: grpc.aio.ServicerContext
    ) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        model = await self._model(request.model)
        dataset = await self._dataset_to_judge_on(request.dataset, model)
        max_loss = request.max_loss if request.HasField("max_loss") else DEFAULT_MAX_LOSS
        given = from_struct(request.parameters)
        spec = compression.make_spec(model, request.methods, given, max_loss, dataset, request.seed)
        parameters = dataclasses.asdict(spec)
        if request.validate_only:
            return job_pb2.Job(type=compression.TYPE, parameters=to_struct(parameters))
        identity = convert.to_compression_identity(request)
        return await asyncio.to_thread(self._jobs.create, compression.TYPE, parameters, request_id, identity)

    async def CreateFilteringJob(
        self, request: pb.CreateFilteringJobRequest, context: grpc.aio.ServicerContext
    ) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        model = await self._model(request.model)
        dataset = await self._dataset(filters.require_dataset(model, request.dataset))
        spec = filters.make_spec(model, dataset, from_struct(request.parameters), request.seed)
        parameters = dataclasses.asdict(spec)
        if request.validate_only:
            return job_pb2.Job(type=filters.TYPE, parameters=to_struct(parameters))
        identity = convert.to_filtering_identity(request)
        return await asyncio.to_thread(self._jobs.create, filters.TYPE, parameters, request_id, identity)

    async def ListFamilies(
        self, request: pb.ListFamiliesRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListFamiliesResponse:
        kinds = all_kinds()
        if request.kind and request.kind not in kinds:
            raise NotFound(f"kind: there is no {request.kind!r}, only {', '.join(sorted(kinds))}", field="kind")
        wanted = [kinds[request.kind]] if request.kind else [kinds[name] for name in sorted(kinds)]
        return pb.ListFamiliesResponse(families=[family for kind in wanted for family in convert.to_families(kind)])

    async def _model(self, name: str) -> model_pb2.Model:
        parse_name(MODELS, "model", name)
        ask = catalog_service_pb2.GetModelRequest(name=name)
        return await self._catalog.GetModel(ask, timeout=_CATALOG_DEADLINE_S)

    async def _dataset(self, name: str) -> dataset_pb2.Dataset:
        parse_name(DATASETS, "dataset", name)
        ask = catalog_service_pb2.GetDatasetRequest(name=name)
        return await self._catalog.GetDataset(ask, timeout=_CATALOG_DEADLINE_S)

    async def _dataset_to_judge_on(self, name: str, model: model_pb2.Model) -> dataset_pb2.Dataset | None:
        """Returns the dataset asked for, else the one that the model was trained on if it serves."""
        if not (name or model.dataset):
            return None
        try:
            dataset = await self._dataset(name or model.dataset)
            compression.check_fits(model, dataset)
        except (NotFound, FailedPrecondition):
            if name:
                raise
            return None
        return dataset
