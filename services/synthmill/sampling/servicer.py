"""The sampling service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc
from google.protobuf import empty_pb2

from synthmill.runtime.encoded import EncodedMethods
from synthmill.runtime.security.principals import current_tenant
from synthmill.sampling import convert
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.sampler import Sampler
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import sampling_service_pb2_grpc

Context = grpc.aio.ServicerContext

SERVICE = "synthmill.v1.SamplingService"

# What answers with samples hands over finished bytes instead of messages.
_ENCODED = ("Sample", "StreamSamples")


class SamplingServicer(sampling_service_pb2_grpc.SamplingServiceServicer):
    """Answers for samples and for the models in memory."""

    def __init__(self, models: ModelRegistry, sampler: Sampler) -> None:
        self._models = models
        self._sampler = sampler

    async def Sample(self, request: pb.SampleRequest, context: Context) -> bytes:
        return await self._sampler.sample(
            convert.to_sample_query(request), convert.packer(), tenant_of(request, context)
        )

    async def StreamSamples(self, request: pb.StreamSamplesRequest, context: Context) -> AsyncIterator[bytes]:
        query = convert.to_stream_query(request)
        stream = self._sampler.stream(query, convert.packer(query.start), tenant_of(request, context))
        async with contextlib.aclosing(stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def CountLabels(self, request: pb.CountLabelsRequest, context: Context) -> pb.CountLabelsResponse:
        return convert.to_label_counts(await self._sampler.count_labels(convert.to_count_query(request)))

    async def ListLoadedModels(
        self, request: pb.ListLoadedModelsRequest, context: Context
    ) -> pb.ListLoadedModelsResponse:
        return pb.ListLoadedModelsResponse(models=map(convert.to_loaded_model, self._models.list()))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadedModel:
        return convert.to_loaded_model(await self._models.load(request.name, again=True))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> empty_pb2.Empty:
        await self._models.unload(request.name)
        return empty_pb2.Empty()


def add_sampling_servicer(servicer: SamplingServicer, server: grpc.aio.Server) -> None:
    """Adds the servicer to a server, as the generated function does, but for messages that are bytes already."""
    sampling_service_pb2_grpc.add_SamplingServiceServicer_to_server(servicer, EncodedMethods(server, _ENCODED))


def tenant_of(request: pb.SampleRequest | pb.StreamSamplesRequest, context: Context) -> str:
    """Returns who asks: the tenant of its token, else a name that the request gives, else the connection."""
    return current_tenant() or request.tenant or context.peer()
