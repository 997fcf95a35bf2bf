"""The protocol's gRPC methods, and how they get onto a server under the protocol's own name."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
from collections.abc import AsyncIterator

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1 import model_config_pb2, repository_pb2, shared_memory_pb2, statistics_pb2
from synthmill.runtime.drain import Drain
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.oip.inference import Inference
from synthmill.sampling.oip.repository import Repository
from synthmill.sampling.oip.shared_memory import Regions
from synthmill.sampling.oip.statistics import Statistics
from synthmill.sampling.oip.streams import answer_in_order
from synthmill.sampling.sampler import Sampler

SERVICE_NAME = "inference.GRPCInferenceService"
DESCRIBED_AS = "synthmill.oip.v1.GRPCInferenceService"
NAME = "synthmill"

# A client that sends this wants the first error of a stream as the stream's status.
_STRICT = ("triton_grpc_error", "true")
_EXTENSIONS = ("statistics", "parameters", "model_configuration", "model_repository", "binary_tensor_data")

Context = grpc.aio.ServicerContext


class InferenceServicer:
    """Answers the Open Inference Protocol.

    Args:
        models: the models in memory.
        catalog: knows the others.
        sampler: makes the samples.
        drain: says when to end streams.
        regions: the shared memory that clients pass tensors through.
    """

    def __init__(
        self, models: ModelRegistry, catalog: Catalog, sampler: Sampler, drain: Drain, regions: Regions
    ) -> None:
        statistics = Statistics()
        self._drain = drain
        self._regions = regions
        self._repository = Repository(models, catalog, statistics)
        self._inference = Inference(models, sampler, regions, statistics)

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Context) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        return pb.ModelReadyResponse(ready=await self._repository.is_ready(request.name, request.version))

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Context) -> pb.ServerMetadataResponse:
        extensions = (*_EXTENSIONS, "system_shared_memory") if self._regions.enabled else _EXTENSIONS
        version = importlib.metadata.version(NAME)
        return pb.ServerMetadataResponse(name=NAME, version=version, extensions=extensions)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:
        return await self._repository.metadata(request.name, request.version)

    async def ModelConfig(
        self, request: model_config_pb2.ModelConfigRequest, context: Context
    ) -> model_config_pb2.ModelConfigResponse:
        config = await self._repository.config(request.name, request.version)
        return model_config_pb2.ModelConfigResponse(config=config)

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> bytes:
        return await self._inference.infer(request, context.peer())

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest], context: Context
    ) -> AsyncIterator[bytes]:
        in_band = _STRICT not in map(tuple, context.invocation_metadata() or ())
        begin = functools.partial(self._inference.begin, tenant=context.peer())
        answers = answer_in_order(requests, begin, self._drain, in_band=in_band)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                yield answer

    async def ModelStatistics(
        self, request: statistics_pb2.ModelStatisticsRequest, context: Context
    ) -> statistics_pb2.ModelStatisticsResponse:
        found = await self._repository.statistics(request.name, request.version)
        return statistics_pb2.ModelStatisticsResponse(model_stats=found)

    async def RepositoryIndex(
        self, request: repository_pb2.RepositoryIndexRequest, context: Context
    ) -> repository_pb2.RepositoryIndexResponse:
        found = await self._repository.index(request.repository_name, request.ready)
        return repository_pb2.RepositoryIndexResponse(models=found)

    async def RepositoryModelLoad(
        self, request: repository_pb2.RepositoryModelLoadRequest, context: Context
    ) -> repository_pb2.RepositoryModelLoadResponse:
        await self._repository.load(request)
        return repository_pb2.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: repository_pb2.RepositoryModelUnloadRequest, context: Context
    ) -> repository_pb2.RepositoryModelUnloadResponse:
        await self._repository.unload(request)
        return repository_pb2.RepositoryModelUnloadResponse()

    async def SystemSharedMemoryStatus(
        self, request: shared_memory_pb2.SystemSharedMemoryStatusRequest, context: Context
    ) -> shared_memory_pb2.SystemSharedMemoryStatusResponse:
        status = shared_memory_pb2.SystemSharedMemoryStatusResponse.RegionStatus
        regions = {
            name: status(name=name, key=region.key, offset=region.offset, byte_size=region.byte_size)
            for name, region in self._regions.status(request.name).items()
        }
        return shared_memory_pb2.SystemSharedMemoryStatusResponse(regions=regions)

    async def SystemSharedMemoryRegister(
        self, request: shared_memory_pb2.SystemSharedMemoryRegisterRequest, context: Context
    ) -> shared_memory_pb2.SystemSharedMemoryRegisterResponse:
        self._regions.register(request.name, request.key, request.offset, request.byte_size)
        return shared_memory_pb2.SystemSharedMemoryRegisterResponse()

    async def SystemSharedMemoryUnregister(
        self, request: shared_memory_pb2.SystemSharedMemoryUnregisterRequest, context: Context
    ) -> shared_memory_pb2.SystemSharedMemoryUnregisterResponse:
        self._regions.unregister(request.name)
        return shared_memory_pb2.SystemSharedMemoryUnregisterResponse()

    async def CudaSharedMemoryStatus(
        self, request: shared_memory_pb2.CudaSharedMemoryStatusRequest, context: Context
    ) -> shared_memory_pb2.CudaSharedMemoryStatusResponse:
        return shared_memory_pb2.CudaSharedMemoryStatusResponse()

    async def CudaSharedMemoryUnregister(
        self, request: shared_memory_pb2.CudaSharedMemoryUnregisterRequest, context: Context
    ) -> shared_memory_pb2.CudaSharedMemoryUnregisterResponse:
        return shared_memory_pb2.CudaSharedMemoryUnregisterResponse()


def add_to_server(servicer: InferenceServicer, server: grpc.aio.Server) -> None:
    """Makes a server answer for the service under the name that clients of the protocol ask for.

    The generated function would use the name of our own package: see `protos/synthmill/oip/v1`.
    """
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    handlers = {}
    for method in service.methods:
        make = grpc.stream_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        request = GetMessageClass(method.input_type)
        handlers[method.name] = make(getattr(servicer, method.name), request.FromString, _serialise)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
    server.add_registered_method_handlers(SERVICE_NAME, handlers)


def _serialise(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()
