"""Asks the catalog about models and datasets, and remembers the answers for a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import grpc.aio

from synthmill.runtime.errors import DeadlineExceeded, Unavailable
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, dataset_pb2, model_pb2

_TIMEOUT_S = 5.0
_TRAIN = "train"
_MAX_REMEMBERED = 4096

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Catalog:
    """The catalog as the sampling service needs it.

    While the catalog cannot be reached, older answers stand: a version is immutable, so what was served goes on.

    Args:
        channel: to the catalog service.
        fresh_s: how long an answer is believed without asking again.
    """

    def __init__(self, channel: grpc.aio.Channel, fresh_s: float) -> None:
        self._stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        self._models: _Memory[model_pb2.Model] = _Memory(fresh_s)
        self._datasets: _Memory[dataset_pb2.Dataset] = _Memory(fresh_s)

    async def model(self, name: str) -> model_pb2.Model:
        """Returns a model version; "models/{model}" means the promoted one.

        Raises:
            NotFound: there is none.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        request = catalog_service_pb2.GetModelRequest(name=name)
        return await self._models.get(name, lambda: self._stub.GetModel(request, timeout=_TIMEOUT_S))

    async def class_counts(self, dataset: str) -> Mapping[str, int]:
        """Returns the size of each class of a dataset's training split, by name; empty if it has no labels.

        Raises:
            NotFound: there is no such dataset.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        request = catalog_service_pb2.GetDatasetRequest(name=dataset)
        found = await self._datasets.get(dataset, lambda: self._stub.GetDataset(request, timeout=_TIMEOUT_S))
        sizes = {split.name: split.class_counts for split in found.splits}.get(_TRAIN, [])
        return dict(zip(found.labels, sizes, strict=False))


class _Memory(Generic[T]):
    """Answers by name, with the time until which each is fresh."""

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[str, tuple[float, T]] = {}

    async def get(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Returns the remembered answer while it is fresh, else asks; a stale one is better than none."""
        fresh_until, answer = self._answers.get(name, (0.0, None))
        if answer is not None and time.monotonic() < fresh_until:
            return answer
        try:
            found = await ask()
        except (Unavailable, DeadlineExceeded) as error:
            if answer is None:
                raise
            _log.warning("%s: the catalog cannot be reached, its last answer stands: %s", name, error)
            return answer
        if len(self._answers) >= _MAX_REMEMBERED:
            self._answers.clear()
        self._answers[name] = (time.monotonic() + self._fresh_s, found)
        return found
