"""Asks the catalog about models and datasets, and remembers the answers for a moment."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import grpc.aio

from synthmill.runtime.deadlines import begin_shared
from synthmill.runtime.errors import DeadlineExceeded, Unavailable
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, dataset_pb2, model_pb2

_TIMEOUT_S = 5.0
# Who has an old answer waits no longer than this for a new one.
_PATIENCE_S = 0.25
_TRAIN = "train"
_MAX_REMEMBERED = 4096
_PAGE_SIZE = 1000

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
        self._lists: _Memory[list[model_pb2.Model]] = _Memory(fresh_s)

    async def model(self, name: str, *, anew: bool = False) -> model_pb2.Model:
        """Returns a model version; "models/{model}" means the promoted one.

        Args:
            name: name of the version.
            anew: whether to ask even if there is a fresh answer.

        Raises:
            NotFound: there is none.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        request = catalog_service_pb2.GetModelRequest(name=name)
        return await self._models.get(name, lambda: self._stub.GetModel(request, timeout=_TIMEOUT_S), anew=anew)

    async def versions(self, model: str = "") -> list[model_pb2.Model]:
        """Returns the versions of "models/{model}", or of all models, without artifacts, in no order.

        Raises:
            NotFound: there is no such model.
            Unavailable: the catalog cannot be reached and has not been asked for these before.
        """
        return await self._lists.get(model, lambda: self._list(model))

    def known_model(self, name: str) -> model_pb2.Model | None:
        """Returns a model version without asking, if the last answer is fresh."""
        return self._models.fresh(name)

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

    async def _list(self, model: str) -> list[model_pb2.Model]:
        found, token = [], ""
        while True:
            request = catalog_service_pb2.ListModelsRequest(page_size=_PAGE_SIZE, page_token=token, model=model)
            page = await self._stub.ListModels(request, timeout=_TIMEOUT_S)
            found += page.models
            token = page.next_page_token
            if not token:
                return found


class _Memory(Generic[T]):
    """Answers by name, with the time when each was given.

    A fresh answer is returned at once. One that has just ceased to be fresh is too, while the catalog is asked again in
    the background, so that a busy model never waits; an older one is not trusted without asking.
    """

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[str, tuple[float, T]] = {}
        self._asking: dict[str, tuple[asyncio.Task[T], float]] = {}

    def fresh(self, name: str) -> T | None:
        """Returns the answer about a name if it is fresh."""
        told_at, answer = self._answers.get(name, (0.0, None))
        return answer if time.monotonic() - told_at < self._fresh_s else None

    async def get(self, name: str, ask: Callable[[], Awaitable[T]], *, anew: bool = False) -> T:
        """Returns the answer about a name; while the catalog cannot be reached, an old one is better than none."""
        told_at, answer = self._answers.get(name, (0.0, None))
        age_s = math.inf if anew else time.monotonic() - told_at
        if answer is not None and age_s < self._fresh_s:
            return answer
        asking, asked_at = self._asking.get(name) or self._ask(name, ask)
        if answer is not None:
            patience_s = asked_at + _PATIENCE_S - time.monotonic()
            if age_s < 2 * self._fresh_s or patience_s <= 0:
                return answer
            await asyncio.wait({asking}, timeout=patience_s)
        try:
            # Shielded: a caller that goes away must not take the answer from the others.
            return await asyncio.shield(asking) if answer is None or asking.done() else answer
        except (Unavailable, DeadlineExceeded) as error:
            if answer is None:
                raise
            _log.warning("%s: the catalog cannot be reached, its last answer stands: %s", name, error)
            return answer

    def _ask(self, name: str, ask: Callable[[], Awaitable[T]]) -> tuple[asyncio.Task[T], float]:
        async def remember() -> T:
            found = await ask()
            if len(self._answers) >= _MAX_REMEMBERED:
                self._answers.clear()
            self._answers[name] = (time.monotonic(), found)
            return found

        def forget(task: asyncio.Task[T]) -> None:
            del self._asking[name]
            # Looked at, so that an error nobody waited for is not reported as forgotten.
            if not task.cancelled():
                task.exception()

        task = begin_shared(remember())
        self._asking[name] = task, time.monotonic()
        task.add_done_callback(forget)
        return self._asking[name]
