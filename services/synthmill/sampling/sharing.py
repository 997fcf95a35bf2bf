"""Methods that mean the whole service: what several processes answer, as one answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence

from google.protobuf import empty_pb2

from synthmill.runtime.errors import SynthmillError
from synthmill.runtime.processes.siblings import Shared, Siblings
from synthmill.runtime.reporting.combining import models_together
from synthmill.sampling.models import ModelRegistry
from synthmill.v1 import sampling_service_pb2 as pb

LIST = "/synthmill.v1.SamplingService/ListLoadedModels"
# A process that begins again does not keep others waiting for longer, whatever there is to load.
_CATCH_UP_S = 30.0

_log = logging.getLogger(__name__)


def list_together(answers: Iterable[pb.ListLoadedModelsResponse]) -> pb.ListLoadedModelsResponse:
    """Returns each version once, as `models_together` has it."""
    return pb.ListLoadedModelsResponse(models=models_together(loaded for answer in answers for loaded in answer.models))


def load_together(answers: Sequence[pb.LoadedModel]) -> pb.LoadedModel:
    """Returns the version that was loaded, with the calls of all processes that use it."""
    return list_together([pb.ListLoadedModelsResponse(models=answers)]).models[0]


def unload_together(answers: Sequence[empty_pb2.Empty]) -> empty_pb2.Empty:
    """Returns the empty answer."""
    return answers[0]


SHARED = {
    "ListLoadedModels": Shared(pb.ListLoadedModelsResponse, list_together),
    "LoadModel": Shared(pb.LoadedModel, load_together, everywhere=True),
    # A process may have dropped the version by itself, or never had it.
    "UnloadModel": Shared(empty_pb2.Empty, unload_together),
}


async def load_as_siblings_have(siblings: Siblings, models: ModelRegistry) -> None:
    """Loads what other processes have in memory, so that the first requests to one that begins again do not wait."""
    answers = map(pb.ListLoadedModelsResponse.FromString, await siblings.ask(LIST, timeout_s=_CATCH_UP_S))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CATCH_UP_S):
            for loaded in list_together(answers).models:
                try:
                    await models.load(loaded.model.name)
                except SynthmillError as error:
                    _log.warning("%s is not loaded before it is asked for: %s", loaded.model.name, error)
