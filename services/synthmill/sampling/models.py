"""Model versions in memory: each loaded once, however many ask, and kept until nobody uses it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable

from synthmill.runtime.errors import BadGraph, DataLoss, NotFound, SynthmillError
from synthmill.runtime.names import MODELS, parse_name, parse_version
from synthmill.sampling import metrics
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Engine
from synthmill.v1 import model_pb2

_RETRY_AFTER_S = 30.0

_log = logging.getLogger(__name__)

OpenEngine = Callable[[model_pb2.Model], Engine]
"""Reads and starts the sampler graph of a version; slow, runs in a thread."""


@dataclasses.dataclass
class LoadedModel:
    """A model version in memory.

    Attributes:
        model: the version.
        engine: its sampler graph.
        active_calls: calls that use it now.
        idle: set while there are none.
    """

    model: model_pb2.Model
    engine: Engine
    active_calls: int = 0
    idle: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


class ModelRegistry:
    """The model versions in memory; belongs to one event loop.

    Args:
        catalog: resolves names.
        open_engine: loads a version.
        max_models: versions to keep; beyond it, the idle one unused for longest is dropped.
    """

    def __init__(self, catalog: Catalog, open_engine: OpenEngine, max_models: int) -> None:
        self._catalog = catalog
        self._open_engine = open_engine
        self._max_models = max_models
        # In the order of last use.
        self._loads: dict[str, asyncio.Task[LoadedModel]] = {}
        self._served: dict[str, str] = {}
        self._failures: dict[str, tuple[float, SynthmillError]] = {}

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[LoadedModel]:
        """Lends a version, loading it if need be; it stays in memory for the length of the with block.

        Raises:
            InvalidField: the name is malformed.
            NotFound: there is no such model.
            DataLoss: its sampler graph is missing or damaged, and no older version has been served under that name.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        loaded = await self.load(name)
        loaded.active_calls += 1
        loaded.idle.clear()
        try:
            yield loaded
        finally:
            loaded.active_calls -= 1
            if not loaded.active_calls:
                loaded.idle.set()

    async def load(self, name: str, *, again: bool = False) -> LoadedModel:
        """Returns a version, loading it if need be.

        Args:
            name: "models/{model}" or one of its versions.
            again: whether to try a version again that has failed a moment ago.

        Raises:
            As `use`.
        """
        parse_name(MODELS, "model", name)
        model = await self._catalog.model(name)
        if again:
            self._failures.pop(model.name, None)
        try:
            loaded = await self._load_version(model)
        except (DataLoss, BadGraph) as error:
            previous = self._find(self._served.get(name, ""))
            if previous is None or name == model.name:
                raise
            _log.error("%s: %s cannot be loaded, %s goes on: %s", name, model.name, previous.model.name, error)
            return previous
        self._served[name] = loaded.model.name
        return loaded

    async def unload(self, name: str) -> None:
        """Removes a version: at once for new calls, from memory when the last call that uses it has ended.

        Raises:
            InvalidField: the name is not that of a version.
            NotFound: the version is not loaded.
        """
        parse_version(MODELS, "name", name)
        loaded = self._find(name)
        if loaded is None:
            raise NotFound(f"{name} is not loaded", name=name)
        self._remove(loaded)
        await loaded.idle.wait()

    def list(self) -> list[LoadedModel]:
        """Returns the versions in memory, the one used last at the end."""
        return [loaded for name in self._loads if (loaded := self._find(name))]

    def _find(self, name: str) -> LoadedModel | None:
        task = self._loads.get(name)
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None

    async def _load_version(self, model: model_pb2.Model) -> LoadedModel:
        name = model.name
        retry_at, failure = self._failures.get(name, (0.0, None))
        if failure is not None and time.monotonic() < retry_at:
            raise failure.with_traceback(None)
        task = self._loads.pop(name, None) or asyncio.create_task(self._open(model))
        self._loads[name] = task
        # Shielded: a caller that goes away must not take the load from the others.
        return await asyncio.shield(task)

    async def _open(self, model: model_pb2.Model) -> LoadedModel:
        try:
            engine = await asyncio.to_thread(self._open_engine, model)
        except BaseException as error:
            del self._loads[model.name]
            if isinstance(error, SynthmillError):
                self._failures[model.name] = (time.monotonic() + _RETRY_AFTER_S, error)
                metrics.LOAD_FAILURES.labels(model.name).inc()
            raise
        loaded = LoadedModel(model, engine)
        loaded.idle.set()
        self._make_room()
        _show(loaded, 1)
        return loaded

    def _make_room(self) -> None:
        idle = [loaded for loaded in self.list() if not loaded.active_calls]
        for loaded in idle[: max(0, len(self._loads) - self._max_models)]:
            self._remove(loaded)

    def _remove(self, loaded: LoadedModel) -> None:
        del self._loads[loaded.model.name]
        _show(loaded, -1)


def _show(loaded: LoadedModel, change: int) -> None:
    """Tells the metrics that a version has come (1) or gone (-1)."""
    metrics.LOADED_MODELS.inc(change)
    provider = loaded.engine.provider
    series = (loaded.model.name, provider.name, provider.reason)
    if change > 0:
        metrics.PROVIDER.labels(*series).set(1)
    else:
        metrics.PROVIDER.remove(*series)
