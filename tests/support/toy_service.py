"""A whole service made of the shell and a few methods that go wrong in every way: `python -m support.toy_service`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import ClassVar

import grpc
from google.protobuf import empty_pb2

from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import FailedPrecondition, InvalidField, Unavailable
from synthmill.runtime.service import Assembly, Mount, run_service
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, dataset_pb2


@dataclasses.dataclass(frozen=True)
class ToyConfig(ServiceConfig):
    """Settings of the toy service."""

    service: ClassVar[str] = "pipeline"

    greeting: str = setting("hello", "what it says")


class ToyServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Answers GetDataset and ReadRecords as the name in the request asks."""

    def __init__(self, config: ToyConfig, drain: Drain) -> None:
        self._config = config
        self._drain = drain

    async def GetDataset(
        self, request: catalog_service_pb2.GetDatasetRequest, context: grpc.aio.ServicerContext
    ) -> dataset_pb2.Dataset:
        if request.name == "refuse":
            raise InvalidField("name", request.name, "anything else")
        if request.name == "break":
            raise RuntimeError("a secret of the inside")
        return dataset_pb2.Dataset(name=self._config.greeting)

    async def ReadRecords(
        self, request: catalog_service_pb2.ReadRecordsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[catalog_service_pb2.ReadRecordsResponse]:
        for index in range(request.start_index, request.start_index + request.count):
            if self._drain.draining:
                raise Unavailable("going away", next_index=index)
            if request.name == "refuse" and index == 2:
                raise InvalidField("name", request.name, "anything else")
            yield catalog_service_pb2.ReadRecordsResponse(first_index=index, count=1)
            await asyncio.sleep(0.01 if request.name == "slow" else 0)

    async def DeleteDataset(
        self, request: catalog_service_pb2.DeleteDatasetRequest, context: grpc.aio.ServicerContext
    ) -> empty_pb2.Empty:
        if request.name == "datasets/kept/versions/1":
            raise FailedPrecondition("it is kept")
        return empty_pb2.Empty()


def build(config: ToyConfig, drain: Drain) -> Assembly:
    """Puts the toy together."""
    add = catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server
    return Assembly([Mount("synthmill.v1.CatalogService", add, ToyServicer(config, drain))])


if __name__ == "__main__":
    run_service(ToyConfig, build)
