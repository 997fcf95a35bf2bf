"""A service that several processes serve, and that goes wrong when asked: `python -m support.toy_processes`.

Its methods are those of the catalog, with other meanings.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

import grpc

from synthmill.runtime.config import ProcessesConfig, setting
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, NotFound, Unavailable
from synthmill.runtime.processes.front import run_processes
from synthmill.runtime.processes.siblings import Shared, Siblings
from synthmill.runtime.service import Assembly, Mount
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, dataset_pb2, model_pb2


@dataclasses.dataclass(frozen=True)
class ToyConfig(ProcessesConfig):
    """Settings of the toy service."""

    service: ClassVar[str] = "pipeline"

    broken: str = setting("", "a file; while it is there, no process can begin")


class ToyServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Tells which process answers."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain

    async def GetDataset(self, request: pb.GetDatasetRequest, context: grpc.aio.ServicerContext) -> dataset_pb2.Dataset:
        """Returns the id of this process."""
        return dataset_pb2.Dataset(name=str(os.getpid()))

    async def ListDatasets(
        self, request: pb.ListDatasetsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListDatasetsResponse:
        """Shared; returns the ids of all processes, and how the caller named the call."""
        given = dict(context.invocation_metadata())
        mine = dataset_pb2.Dataset(name=str(os.getpid()), kind=given.get("x-request-id", ""))
        return pb.ListDatasetsResponse(datasets=[mine])

    async def GetModel(self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext) -> model_pb2.Model:
        """Shared; fails in the process of the id that the request names."""
        return self._answer(request.name)

    async def PromoteModel(self, request: pb.PromoteModelRequest, context: grpc.aio.ServicerContext) -> model_pb2.Model:
        """Shared, and must succeed everywhere; fails in the process of the id that the request names."""
        return self._answer(request.name)

    async def ReadRecords(
        self, request: pb.ReadRecordsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.ReadRecordsResponse]:
        """Streams numbers, slowly."""
        for index in range(request.start_index, request.start_index + request.count):
            if self._drain.draining:
                raise Unavailable("going away", next_index=index)
            yield pb.ReadRecordsResponse(first_index=index, count=1)
            await asyncio.sleep(0.01)

    def _answer(self, name: str) -> model_pb2.Model:
        if name == "nobody":
            raise RuntimeError("a secret of the inside")
        if name in ("all", str(os.getpid())):
            raise NotFound(f"nothing in {os.getpid()}")
        return model_pb2.Model(name=str(os.getpid()))


def together(answers: Sequence[pb.ListDatasetsResponse]) -> pb.ListDatasetsResponse:
    """Returns the lists one after the other."""
    return pb.ListDatasetsResponse(datasets=[dataset for answer in answers for dataset in answer.datasets])


def first(answers: Sequence[model_pb2.Model]) -> model_pb2.Model:
    """Returns the first answer."""
    return answers[0]


SHARED = {
    "ListDatasets": Shared(pb.ListDatasetsResponse, together),
    "GetModel": Shared(model_pb2.Model, first),
    "PromoteModel": Shared(model_pb2.Model, first, everywhere=True),
}


def build(config: ToyConfig, drain: Drain, siblings: Siblings | None = None) -> Assembly:
    """Puts the toy together."""
    if config.broken and Path(config.broken).exists():
        raise InvalidField("broken", config.broken, "a file that is not there")
    add = catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server
    return Assembly([Mount("synthmill.v1.CatalogService", add, ToyServicer(drain), shared=SHARED)])


if __name__ == "__main__":
    # Under the name that the other processes will find it by.
    from support import toy_processes

    run_processes(toy_processes.ToyConfig, "support.toy_processes:build")
