"""Methods of the protocol that mean the whole service: what several processes answer, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1 import repository_pb2, statistics_pb2
from synthmill.runtime.processes.siblings import Shared
from synthmill.sampling.oip.repository import READY

M = TypeVar("M", bound=Message)

# Entries of a list are about the same thing if they agree in those of these fields that they have.
_KEY_FIELDS = ("name", "version", "batch_size")
_LATEST = "last_inference"


def ready_together(answers: Sequence[pb.ModelReadyResponse]) -> pb.ModelReadyResponse:
    """Returns whether a version is in the memory of some process: the others load it when they are asked."""
    return pb.ModelReadyResponse(ready=any(answer.ready for answer in answers))


def index_together(answers: Sequence[repository_pb2.RepositoryIndexResponse]) -> repository_pb2.RepositoryIndexResponse:
    """Returns each version once, as ready if it is in the memory of some process."""
    found: dict[tuple[str, int], repository_pb2.RepositoryIndexResponse.ModelIndex] = {}
    for model in (model for answer in answers for model in answer.models):
        key = _order(model)
        if key not in found or model.state == READY:
            found[key] = model
    return repository_pb2.RepositoryIndexResponse(models=[found[key] for key in sorted(found)])


def statistics_together(
    answers: Sequence[statistics_pb2.ModelStatisticsResponse],
) -> statistics_pb2.ModelStatisticsResponse:
    """Returns the counts and times of each version, added up."""
    together = statistics_pb2.ModelStatisticsResponse()
    for answer in answers:
        _add(together, answer)
    together.model_stats.sort(key=_order)
    return together


def first(answers: Sequence[M]) -> M:
    """Returns the first answer; for methods whose answer says nothing."""
    return answers[0]


SHARED = {
    "ModelReady": Shared(pb.ModelReadyResponse, ready_together),
    "ModelStatistics": Shared(statistics_pb2.ModelStatisticsResponse, statistics_together),
    "RepositoryIndex": Shared(repository_pb2.RepositoryIndexResponse, index_together),
    "RepositoryModelLoad": Shared(repository_pb2.RepositoryModelLoadResponse, first, everywhere=True),
    # A process may have dropped the model by itself, or never had it.
    "RepositoryModelUnload": Shared(repository_pb2.RepositoryModelUnloadResponse, first),
}


def _order(
    model: repository_pb2.RepositoryIndexResponse.ModelIndex | statistics_pb2.ModelStatistics,
) -> tuple[str, int]:
    return model.name, int(model.version)


def _add(total: Message, other: Message) -> None:
    """Adds the numbers of a message to those of another one, field by field; entries of lists to the one like them."""
    for field, value in other.ListFields():
        if field.is_repeated:
            entries = getattr(total, field.name)
            known = {_key(entry): entry for entry in entries}
            for entry in value:
                _add(known.get(_key(entry)) or entries.add(), entry)
        elif field.message_type is not None:
            _add(getattr(total, field.name), value)
        elif field.name == _LATEST:
            setattr(total, field.name, max(getattr(total, field.name), value))
        elif field.name in _KEY_FIELDS:
            setattr(total, field.name, value)
        else:
            setattr(total, field.name, getattr(total, field.name) + value)


def _key(entry: Message) -> tuple:
    return tuple(getattr(entry, name, None) for name in _KEY_FIELDS)
