"""The augmentation service's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import grpc

from synthmill.augmentation import convert, listing, preview
from synthmill.augmentation.augmenting import Augmenting
from synthmill.augmentation.lineage import Lineages
from synthmill.augmentation.policies import Policies
from synthmill.augmentation.received import Received, read_received
from synthmill.augmentation.request import TYPE, make_spec
from synthmill.runtime.encoded import EncodedMethods
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import DATASETS, check_id, check_request_id, parse_name
from synthmill.runtime.security.principals import take_rows
from synthmill.runtime.structs import to_struct
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import (
    augmentation_service_pb2_grpc,
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    job_pb2,
    policy_pb2,
)

Context = grpc.aio.ServicerContext

_CATALOG_DEADLINE_S = 10.0

# What takes records reads their message itself, and hands over finished bytes instead of messages.
_TAKE_RECORDS = ("Augment", "AugmentStream")


class AugmentationServicer(augmentation_service_pb2_grpc.AugmentationServiceServicer):
    """Answers for augmentation.

    Args:
        augmenting: does what requests ask for.
        policies: finds and saves policies.
        lineages: tells where records come from.
        catalog: channel to the catalog service.
        jobs: runs the jobs.
    """

    def __init__(
        self,
        augmenting: Augmenting,
        policies: Policies,
        lineages: Lineages,
        catalog: grpc.aio.Channel,
        jobs: JobEngine,
    ) -> None:
        self._augmenting, self._policies, self._lineages, self._jobs = augmenting, policies, lineages, jobs
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)

    async def Augment(self, request: Received, context: Context) -> bytes:
        take_rows(len(request.records))
        return await self._augmenting.augment(request)

    async def AugmentStream(self, requests: AsyncIterator[Received], context: Context) -> AsyncIterator[bytes]:
        async with contextlib.aclosing(self._augmenting.stream(_counted(requests))) as responses:
            async for response in responses:
                yield response

    async def Preview(self, request: pb.PreviewRequest, context: Context) -> pb.PreviewResponse:
        task = await self._augmenting.open(request.spec)
        return pb.PreviewResponse(picture=await asyncio.to_thread(preview.draw_preview, task, request))

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Context) -> pb.ListOperationsResponse:
        kinds = listing.kinds_that_augment(request.kind)
        return pb.ListOperationsResponse(
            operations=[found for kind in kinds for found in listing.list_operations(kind)]
        )

    async def ListReadyMadePolicies(
        self, request: pb.ListReadyMadePoliciesRequest, context: Context
    ) -> pb.ListReadyMadePoliciesResponse:
        kinds = listing.kinds_that_augment(request.kind)
        policies = [found for kind in kinds for found in listing.list_ready_made(kind)]
        return pb.ListReadyMadePoliciesResponse(policies=policies)

    async def ResolvePolicy(self, request: pb.ResolvePolicyRequest, context: Context) -> pb.ResolvePolicyResponse:
        return listing.to_resolved(await self._policies.chosen(request, request.kind))

    async def SavePolicy(self, request: pb.SavePolicyRequest, context: Context) -> policy_pb2.PolicyVersion:
        name = check_id("name", request.name)
        return await self._policies.save(name, await self._policies.chosen(request, request.kind))

    async def CreateAugmentationJob(self, request: pb.CreateAugmentationJobRequest, context: Context) -> job_pb2.Job:
        request_id = check_request_id(request.request_id)
        parse_name(DATASETS, "dataset", request.dataset)
        ask = catalog_service_pb2.GetDatasetRequest(name=request.dataset)
        dataset = await self._catalog.GetDataset(ask, timeout=_CATALOG_DEADLINE_S)
        checked = await self._policies.chosen(request, dataset.kind)
        parameters = dataclasses.asdict(make_spec(dataset, checked, convert.to_asked(request)))
        if request.validate_only:
            return job_pb2.Job(type=TYPE, parameters=to_struct(parameters))
        identity = convert.to_identity(request)
        return await asyncio.to_thread(self._jobs.create, TYPE, parameters, request_id, identity)

    async def GetLineage(self, request: pb.GetLineageRequest, context: Context) -> pb.GetLineageResponse:
        return await self._lineages.get(request)


async def _counted(requests: AsyncIterator[Received]) -> AsyncIterator[Received]:
    async for request in requests:
        take_rows(len(request.records))
        yield request


def add_augmentation_servicer(servicer: AugmentationServicer, server: grpc.aio.Server) -> None:
    """Adds the servicer to a server, as the generated function does, but for messages read and written here."""
    encoded = EncodedMethods(server, _TAKE_RECORDS, dict.fromkeys(_TAKE_RECORDS, read_received))
    augmentation_service_pb2_grpc.add_AugmentationServiceServicer_to_server(servicer, encoded)
