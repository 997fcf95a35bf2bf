"""An augmentation service in this process, behind a real port, with a catalog of policies alone and without jobs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from unit.augmentation.lent_memory import Lent
from unit.augmentation.policy_catalog import PolicyCatalog

from synthmill.augmentation.augmenting import Augmenting
from synthmill.augmentation.children import Children
from synthmill.augmentation.memory import Memory
from synthmill.augmentation.policies import Policies
from synthmill.augmentation.pools import Pool
from synthmill.augmentation.servicer import AugmentationServicer, add_augmentation_servicer
from synthmill.augmentation.workers import Workers
from synthmill.kinds.registry import get_kind
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.channels import connect
from synthmill.runtime.drain import Drain
from synthmill.runtime.tensors import to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import augmentation_service_pb2_grpc
from synthmill.v1.catalog_service_pb2_grpc import add_CatalogServiceServicer_to_server

MESSAGE_BYTES = 4 << 20
FRESH_S = 0.2


@dataclasses.dataclass
class Service:
    """The service and a stub of it.

    Attributes:
        augmenting: does what it is asked for.
        memory: what calls under way hold.
        workers: its threads and processes.
        children: the processes.
        drain: ends its streams.
        catalog: has its policies.
        stub: calls it.
    """

    augmenting: Augmenting
    memory: Memory
    workers: Workers
    children: Children
    drain: Drain
    catalog: PolicyCatalog
    stub: augmentation_service_pb2_grpc.AugmentationServiceStub


class _Pools:
    """Has one pool, under any name."""

    async def get(self, name: str, kind: str, field: str) -> Pool:
        arrays = {"image": pixels(8, 12, 12), "label": np.arange(8) % 3}
        return Pool(f"{name}/versions/1", get_kind(kind).augmentation(), arrays, 3)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    drain, memory, children, catalog = Drain(), Memory(64 << 20), Children(2), PolicyCatalog()
    workers = Workers(2, children)
    async with _served("catalog", lambda server: add_CatalogServiceServicer_to_server(catalog, server), drain) as known:
        policies = Policies(known, FRESH_S)
        augmenting = Augmenting(workers, policies, _Pools(), memory, MESSAGE_BYTES, drain)
        servicer = AugmentationServicer(augmenting, policies, SimpleNamespace(), known, None)
        async with _served(
            "augmentation", lambda server: add_augmentation_servicer(servicer, server), drain
        ) as channel:
            stub = augmentation_service_pb2_grpc.AugmentationServiceStub(channel)
            yield Service(augmenting, memory, workers, children, drain, catalog, stub)
    await workers.stop()


@pytest.fixture
def lent() -> Iterator[Lent]:
    lent = Lent()
    yield lent
    lent.close()


@contextlib.asynccontextmanager
async def _served(
    service: str, add: Callable[[grpc.aio.Server], None], drain: Drain
) -> AsyncIterator[grpc.aio.Channel]:
    """Serves what `add` adds to a server, and lends a channel to it."""
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.aio.server(options=options)
    add(ObservedServer(server, service, drain))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = connect(f"127.0.0.1:{port}")
    yield channel
    await channel.close()
    await server.stop(None)


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns random levels of grey, uint8 (*shape, 1)."""
    return np.random.default_rng(seed).integers(0, 256, (*shape, 1), np.uint8)


def record(image: np.ndarray, index: int | None = None, **arrays: Any) -> pb.AugmentationRecord:
    """Makes a record."""
    tensors = [to_tensor(name, np.asarray(array)) for name, array in {"image": image, **arrays}.items()]
    return pb.AugmentationRecord(index=index, arrays=tensors)
