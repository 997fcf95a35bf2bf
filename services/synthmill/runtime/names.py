"""Resource names of datasets, models and policies, "datasets/{dataset}/versions/{n}", and of evaluations."""

from __future__ import annotations

import dataclasses
import functools
import re
import uuid

from synthmill.runtime.errors import InvalidField

DATASETS = "datasets"
MODELS = "models"
POLICIES = "policies"
EVALUATIONS = "evaluations"

_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ID_ALLOWED = "1 to 63 characters of a-z, 0-9 and -, beginning with a letter"
_EVALUATION = re.compile(rf"{EVALUATIONS}/[1-9][0-9]{{0,8}}")


@dataclasses.dataclass(frozen=True)
class ResourceName:
    """A dataset, model or policy, or one version of it.

    Attributes:
        collection: "datasets/{dataset}", "models/{model}" or "policies/{policy}".
        version: from 1, or None if the name leaves it open.
    """

    collection: str
    version: int | None

    def __str__(self) -> str:
        return self.collection if self.version is None else f"{self.collection}/versions/{self.version}"


def check_id(field: str, value: str) -> str:
    """Returns the id of a dataset, model or policy unchanged.

    Raises:
        InvalidField: it breaks the rules for ids.
    """
    if not _ID.fullmatch(value):
        raise InvalidField(field, value, _ID_ALLOWED)
    return value


@functools.lru_cache(maxsize=1024)
def parse_name(kind_of_resource: str, field: str, name: str) -> ResourceName:
    """Parses a name with or without a version.

    Args:
        kind_of_resource: `DATASETS`, `MODELS` or `POLICIES`.
        field: where the name comes from, for messages.

    Raises:
        InvalidField: it is no such name.
    """
    match = re.fullmatch(rf"{kind_of_resource}/({_ID.pattern})(?:/versions/([1-9][0-9]{{0,8}}))?", name)
    if match is None:
        pattern = f"{kind_of_resource}/{{id}}"
        raise InvalidField(field, name, f"{pattern} or {pattern}/versions/{{n}}, the id {_ID_ALLOWED}")
    return ResourceName(f"{kind_of_resource}/{match[1]}", int(match[2]) if match[2] else None)


def parse_version(kind_of_resource: str, field: str, name: str) -> ResourceName:
    """Parses a name that must have a version; see `parse_name`."""
    parsed = parse_name(kind_of_resource, field, name)
    if parsed.version is None:
        raise InvalidField(field, name, f"{kind_of_resource}/{{id}}/versions/{{n}}")
    return parsed


def parse_collection(kind_of_resource: str, field: str, name: str) -> str:
    """Parses a name that must have no version; see `parse_name`."""
    parsed = parse_name(kind_of_resource, field, name)
    if parsed.version is not None:
        raise InvalidField(field, name, f"{kind_of_resource}/{{id}}")
    return parsed.collection


def parse_subject(field: str, name: str) -> ResourceName:
    """Parses the name of a model or dataset, with or without a version; see `parse_name`."""
    collection = name.partition("/")[0]
    if collection not in (MODELS, DATASETS):
        raise InvalidField(field, name, f"{MODELS}/{{id}} or {DATASETS}/{{id}}, or a version of one")
    return parse_name(collection, field, name)


def check_evaluation(field: str, name: str) -> str:
    """Returns the name of an evaluation unchanged.

    Raises:
        InvalidField: it is no such name.
    """
    if not _EVALUATION.fullmatch(name):
        raise InvalidField(field, name, f"{EVALUATIONS}/{{n}}")
    return name


def check_request_id(value: str) -> str:
    """Returns a request_id in its usual spelling, or nothing for nothing.

    Raises:
        InvalidField: it is neither empty nor a UUID.
    """
    try:
        return value and str(uuid.UUID(value))
    except ValueError:
        raise InvalidField("request_id", value, "a UUID, or empty") from None
