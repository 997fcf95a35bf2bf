"""Model versions in memory: each loaded once, however many ask, and kept until nobody uses it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, Self

from synthmill.runtime.deadlines import begin_shared
from synthmill.runtime.errors import BadGraph, DataLoss, NotFound
from synthmill.runtime.names import MODELS, parse_name, parse_version
from synthmill.sampling import metrics
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Engine
from synthmill.v1 import model_pb2

_RETRY_AFTER_S = 30.0

_log = logging.getLogger(__name__)


class OpenEngine(Protocol):
    """Reads and starts the sampler graph of a version; slow, runs in a thread."""

    def __call__(self, model: model_pb2.Model, opinions: Collection[str] = ()) -> Engine:
        """Returns the engine that makes samples, and these opinions of them."""


@dataclasses.dataclass
class LoadedModel:
    """A model version in memory; a with block around it keeps it there.

    Attributes:
        model: the version.
        engine: its sampler graph, without opinions.
        active_calls: calls that use it now.
        idle: set while there are none.
        judging: its sampler graph with opinions, by their names, as far as they were asked for.
        labels: class names by position.
    """

    model: model_pb2.Model
    engine: Engine
    active_calls: int = 0
    idle: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    judging: dict[tuple[str, ...], asyncio.Task[Engine]] = dataclasses.field(default_factory=dict)
    labels: list[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.labels = list(self.model.labels)

    @property
    def memory_bytes(self) -> int:
        """Estimate of the memory that it takes."""
        judging = [task.result() for task in self.judging.values() if _has_succeeded(task)]
        return self.engine.memory_bytes + sum(engine.memory_bytes for engine in judging)

    def forget_failures(self) -> None:
        """Has opinions that could not be loaded be tried again."""
        for opinions in [opinions for opinions, task in self.judging.items() if _has_failed(task)]:
            del self.judging[opinions]

    def __enter__(self) -> Self:
        self.active_calls += 1
        self.idle.clear()
        return self

    def __exit__(self, *_error: object) -> None:
        self.active_calls -= 1
        if not self.active_calls:
            self.idle.set()


class ModelRegistry:
    """The model versions in memory; belongs to one event loop.

    Args:
        catalog: resolves names.
        open_engine: loads a version.
        max_models: versions to keep; beyond it, the idle one unused for longest is dropped.
        max_bytes: memory that versions may take by their own estimate; beyond it likewise.
    """

    def __init__(self, catalog: Catalog, open_engine: OpenEngine, max_models: int, max_bytes: int) -> None:
        self._catalog = catalog
        self._open_engine = open_engine
        self._max_models = max_models
        self._max_bytes = max_bytes
        # In the order of last use.
        self._loads: dict[str, asyncio.Task[LoadedModel]] = {}
        self._served: dict[str, str] = {}
        self._failures: dict[str, tuple[float, Exception]] = {}

    async def use(self, name: str) -> LoadedModel:
        """Returns a version, loading it if need be; it stays in memory for the length of a with block around it.

        Raises:
            InvalidField: the name is malformed.
            NotFound: there is no such model.
            DataLoss: its sampler graph is missing or damaged, and no older version has been served under that name.
            Unavailable: the catalog cannot be reached and the name is new.

        While a version that a name has come to mean is being loaded, the one before it is returned.
        """
        known = self._catalog.known_model(name)
        return (known and self._touch(name, known.name)) or await self.load(name)

    async def load(self, name: str, *, again: bool = False) -> LoadedModel:
        """Returns a version, loading it if need be.

        Args:
            name: "models/{model}" or one of its versions.
            again: whether to ask the catalog anew what the name means, to wait for a version that is being loaded in
                place of another one, and to try one again that has failed a moment ago.

        Raises:
            As `use`.
        """
        parse_name(MODELS, "model", name)
        model = await self._catalog.model(name, anew=again)
        if again:
            self._failures.pop(model.name, None)
        ready = self._touch(name, model.name)
        if ready is not None:
            if again:
                ready.forget_failures()
            return ready
        previous = self._find(self._served.get(name, "")) if name != model.name else None
        if previous is not None and not again:
            self._prepare(model, previous)
            return previous
        try:
            loaded = await self._load_version(model)
        except (DataLoss, BadGraph) as error:
            if previous is None:
                raise
            _log_failure(model.name, error)
            return previous
        self._served[name] = loaded.model.name
        return loaded

    async def judging(self, loaded: LoadedModel, opinions: tuple[str, ...]) -> Engine:
        """Returns the engine that makes some opinions of a version's samples too, loading it if need be.

        Args:
            loaded: the version, in use.
            opinions: their names, in the order in which the graph has them.

        Raises:
            DataLoss: the sampler graph is missing or damaged.
            BadGraph: nothing can run it.
        """
        task = loaded.judging.get(opinions)
        if task is None:
            opening = asyncio.to_thread(self._open_engine, loaded.model, opinions)
            task = loaded.judging[opinions] = begin_shared(opening)
            task.add_done_callback(lambda task: self._note_opened(loaded, opinions, task))
        # Shielded: a caller that goes away must not take the engine from the others.
        return await asyncio.shield(task)

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

    def _touch(self, name: str, version: str) -> LoadedModel | None:
        """Returns a version if it is in memory, and notes that it is what a name means and what was used last."""
        ready = self._find(version)
        if ready is not None:
            self._loads[version] = self._loads.pop(version)
            self._served[name] = version
        return ready

    def _find(self, name: str) -> LoadedModel | None:
        task = self._loads.get(name)
        return task.result() if task and _has_succeeded(task) else None

    def _prepare(self, model: model_pb2.Model, previous: LoadedModel) -> None:
        """Begins to load a version that is about to take the place of another one, which serves until then."""
        retry_at, _error = self._failures.get(model.name, (0.0, None))
        if model.name not in self._loads and time.monotonic() >= retry_at:
            task = self._start(model, previous.judging)
            task.add_done_callback(lambda task: task.cancelled() or _log_failure(model.name, task.exception()))

    async def _load_version(self, model: model_pb2.Model) -> LoadedModel:
        name = model.name
        retry_at, failure = self._failures.get(name, (0.0, None))
        if failure is not None and time.monotonic() < retry_at:
            raise failure.with_traceback(None)
        # Shielded: a caller that goes away must not take the load from the others.
        return await asyncio.shield(self._loads.get(name) or self._start(model))

    def _start(self, model: model_pb2.Model, opinions: Iterable[tuple[str, ...]] = ()) -> asyncio.Task[LoadedModel]:
        task = begin_shared(self._open(model, list(opinions)))
        self._loads[model.name] = task
        return task

    async def _open(self, model: model_pb2.Model, opinions: Sequence[tuple[str, ...]]) -> LoadedModel:
        try:
            engine = await asyncio.to_thread(self._open_engine, model)
        except BaseException as error:
            del self._loads[model.name]
            if isinstance(error, Exception):
                self._failures[model.name] = (time.monotonic() + _RETRY_AFTER_S, error)
                metrics.LOAD_FAILURES.labels(model.name).inc()
            raise
        loaded = LoadedModel(model, engine)
        for names in opinions:
            # One that cannot be had is told to who asks for it.
            if set(names) <= set(engine.signature.opinions):
                with contextlib.suppress(Exception):
                    await self.judging(loaded, names)
        loaded.idle.set()
        self._make_room(loaded)
        _show(loaded, 1)
        return loaded

    def _note_opened(self, loaded: LoadedModel, opinions: tuple[str, ...], task: asyncio.Task[Engine]) -> None:
        if _has_succeeded(task):
            self._make_room(loaded)
        else:
            metrics.LOAD_FAILURES.labels(loaded.model.name).inc()
            task.get_loop().call_later(_RETRY_AFTER_S, loaded.judging.pop, opinions, None)

    def _make_room(self, newcomer: LoadedModel) -> None:
        """Drops idle versions, those unused for longest first, until the rest fits."""
        kept = [loaded for loaded in self.list() if loaded is not newcomer]
        size_bytes = newcomer.memory_bytes + sum(loaded.memory_bytes for loaded in kept)
        count = len(self._loads)
        for loaded in kept:
            if count <= self._max_models and size_bytes <= self._max_bytes:
                return
            if not loaded.active_calls:
                count -= 1
                size_bytes -= loaded.memory_bytes
                self._remove(loaded)

    def _remove(self, loaded: LoadedModel) -> None:
        del self._loads[loaded.model.name]
        _show(loaded, -1)


def _has_succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and not _has_failed(task)


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _log_failure(name: str, error: BaseException | None) -> None:
    if error is not None:
        _log.error("%s cannot be loaded, the version before it goes on: %s", name, error)


def _show(loaded: LoadedModel, change: int) -> None:
    """Tells the metrics that a version has come (1) or gone (-1)."""
    metrics.LOADED_MODELS.inc(change)
    provider = loaded.engine.provider
    series = (loaded.model.name, provider.name, provider.reason)
    if change > 0:
        metrics.PROVIDER.labels(*series).set(1)
    else:
        metrics.PROVIDER.remove(*series)
