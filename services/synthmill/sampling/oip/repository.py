"""The catalog and the models in memory, as the protocol's model repository."""

from __future__ import annotations

from collections.abc import Sequence

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1 import model_config_pb2, repository_pb2, statistics_pb2
from synthmill.runtime.errors import BadGraph, DataLoss, InvalidField, NotFound, Unavailable
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.oip.names import from_resource, to_resource
from synthmill.sampling.oip.specs import to_config, to_metadata, to_spec
from synthmill.sampling.oip.statistics import Statistics
from synthmill.v1 import model_pb2

READY, UNAVAILABLE = "READY", "UNAVAILABLE"

_UNLOADED = "not in memory; the first request for samples loads it"
_NO_EFFECT = "unload_dependents"


class Repository:
    """Tells about models, loads and unloads them.

    Args:
        models: the models in memory.
        catalog: knows the others.
        statistics: what was asked of them.
    """

    def __init__(self, models: ModelRegistry, catalog: Catalog, statistics: Statistics) -> None:
        self._models = models
        self._catalog = catalog
        self._statistics = statistics

    async def is_ready(self, model_id: str, version: str) -> bool:
        """Returns whether a version is in memory.

        Raises:
            InvalidField: the name is malformed.
        """
        name = to_resource(model_id, version)
        try:
            return (await self._catalog.model(name)).name in self._loaded()
        except (NotFound, Unavailable):
            return False

    async def metadata(self, model_id: str, version: str) -> pb.ModelMetadataResponse:
        """Describes inputs and outputs of a version.

        Raises:
            InvalidField: the name is malformed.
            NotFound: there is no such version.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        model = await self._catalog.model(to_resource(model_id, version))
        versions = await self._catalog.versions(to_resource(model_id))
        return to_metadata(to_spec(model), [number for _, number in _in_order(versions)])

    async def config(self, model_id: str, version: str) -> model_config_pb2.ModelConfig:
        """Describes a version as a configuration; raises as `metadata`."""
        return to_config(await self._catalog.model(to_resource(model_id, version)))

    async def statistics(self, model_id: str, version: str) -> list[statistics_pb2.ModelStatistics]:
        """Returns what was asked of versions; raises as `metadata`.

        Args:
            model_id: their model; empty means all models in memory or asked for.
            version: one of them; empty means all in memory or asked for, and the promoted one.
        """
        if not model_id and version:
            raise InvalidField("version", version, "empty, as the name is empty")
        known = self._statistics.names | self._loaded()
        if model_id:
            model = await self._catalog.model(to_resource(model_id, version))
            known = {name for name in known if from_resource(name)[0] == model_id and not version} | {model.name}
        return [self._statistics.to_proto(name) for name in sorted(known, key=_order)]

    async def index(self, repository: str, ready: bool) -> list[repository_pb2.RepositoryIndexResponse.ModelIndex]:
        """Lists the versions of the catalog, or those in memory only.

        Raises:
            InvalidField: another repository is named.
            Unavailable: the catalog cannot be reached and has not been asked before.
        """
        _check_repository(repository)
        loaded = self._loaded()
        names = loaded if ready else loaded | {model.name for model in await self._catalog.versions()}
        return [_to_index(name, name in loaded) for name in sorted(names, key=_order)]

    async def load(self, request: repository_pb2.RepositoryModelLoadRequest) -> None:
        """Loads the promoted version of a model.

        Raises:
            InvalidField: something in the request is not allowed.
            NotFound: there is no such model.
            DataLoss, BadGraph: it cannot be loaded.
            Unavailable: the catalog cannot be reached and the name is new.
        """
        _check_repository(request.repository_name)
        for name in request.parameters:
            raise InvalidField(f"parameters.{name}", "set", "unset: the catalog's own configuration and files are used")
        name = to_resource(request.model_name)
        try:
            await self._models.load(name, again=True)
        except (NotFound, DataLoss, BadGraph, Unavailable) as error:
            raise type(error)(f"failed to load {request.model_name!r}: {error.message}", **error.metadata) from error

    async def unload(self, request: repository_pb2.RepositoryModelUnloadRequest) -> None:
        """Removes all versions of a model from memory, and waits until nobody uses them.

        Raises:
            InvalidField: something in the request is not allowed.
            NotFound: none of them is in memory.
        """
        _check_repository(request.repository_name)
        for name in request.parameters:
            if name != _NO_EFFECT:
                raise InvalidField(f"parameters.{name}", "set", f"only {_NO_EFFECT}")
        collection = to_resource(request.model_name)
        names = [name for name in self._loaded() if name.startswith(f"{collection}/")]
        if not names:
            raise NotFound(f"failed to unload {request.model_name!r}: it is not in memory", name=collection)
        for name in names:
            await self._models.unload(name)

    def _loaded(self) -> set[str]:
        return {loaded.model.name for loaded in self._models.list()}


def _to_index(name: str, ready: bool) -> repository_pb2.RepositoryIndexResponse.ModelIndex:
    model_id, version = from_resource(name)
    return repository_pb2.RepositoryIndexResponse.ModelIndex(
        name=model_id, version=version, state=READY if ready else UNAVAILABLE, reason="" if ready else _UNLOADED
    )


def _in_order(models: Sequence[model_pb2.Model]) -> list[tuple[str, str]]:
    """Returns ids and version numbers, ascending."""
    return [from_resource(name) for name in sorted((model.name for model in models), key=_order)]


def _order(name: str) -> tuple[str, int]:
    model_id, version = from_resource(name)
    return model_id, int(version)


def _check_repository(name: str) -> None:
    if name:
        raise InvalidField("repository_name", name, "empty: the catalog is the only repository")
