"""The sampling service in this process, with real graphs on ONNX Runtime; its catalog knows three models."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator

import grpc
import pytest
from unit.sampling.oip.calls import Calls
from unit.sampling.oip.models import models_in

from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import NotFound
from synthmill.runtime.processes.siblings import Siblings
from synthmill.runtime.store import ObjectStore
from synthmill.sampling.assembly import build
from synthmill.sampling.config import SamplingConfig
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, model_pb2


@dataclasses.dataclass
class Catalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Knows some models; a page of its list has one of them."""

    models: list[model_pb2.Model]

    async def GetModel(self, request, context):
        for model in self.models:
            if request.name == model.name or (model.promoted and model.name.startswith(f"{request.name}/")):
                return model
        raise NotFound(f"no model {request.name!r}", name=request.name)

    async def ListModels(self, request, context):
        found = [model for model in self.models if model.name.startswith(request.model)]
        if not found:
            raise NotFound(f"no model {request.model!r}", name=request.model)
        position = int(request.page_token or 0)
        token = str(position + 1) if position + 1 < len(found) else ""
        return catalog_service_pb2.ListModelsResponse(models=[found[position]], next_page_token=token)


@dataclasses.dataclass(frozen=True)
class Service:
    """The running service."""

    calls: Calls
    drain: Drain


@contextlib.asynccontextmanager
async def running(folder, siblings: Siblings | None = None, **settings) -> AsyncIterator[Service]:
    """Runs the service for the length of an async with block; what siblings would know lies in their folder."""
    catalog = grpc.aio.server()
    port = catalog.add_insecure_port("127.0.0.1:0")
    config = SamplingConfig(store=str(folder), catalog_address=f"127.0.0.1:{port}", port=0, **settings)
    servicer = Catalog(models_in(ObjectStore(config.store_url)))
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(servicer, ObservedServer(catalog, "catalog", Drain()))
    await catalog.start()
    drain = Drain()
    assembly = build(config, drain, siblings)
    server = grpc.aio.server()
    for mount in assembly.mounts:
        mount.add(mount.servicer, ObservedServer(server, "sampling", drain))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield Service(Calls(channel), drain)
    await server.stop(None)
    for stop in assembly.stop:
        result = stop()
        if result is not None:
            await result
    await catalog.stop(None)


@pytest.fixture(scope="session")
async def service(tmp_path_factory) -> AsyncIterator[Service]:
    """The service, with shared memory on."""
    async with running(tmp_path_factory.mktemp("oip"), system_shared_memory=True) as service:
        yield service


@pytest.fixture(scope="session")
def calls(service) -> Calls:
    """Calls to the service."""
    return service.calls


@pytest.fixture
async def fresh(tmp_path) -> AsyncIterator[Service]:
    """A service of the test's own, with shared memory off."""
    async with running(tmp_path) as service:
        yield service
