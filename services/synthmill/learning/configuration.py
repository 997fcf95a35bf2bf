"""Checks what training is asked for; needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.kinds.base import HyperParameters, Schema
from synthmill.kinds.parameters import parse
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField


def resolve(kind: str, family: str, given: Mapping[str, Any], schema: Schema, record_count: int = 0) -> dict[str, Any]:
    """Returns every hyper-parameter of a run by name: those given, defaults, and what the data decide.

    Args:
        kind: kind of the records.
        family: "gan", "vae".
        given: hyper-parameters by name.
        schema: the kind's schema of the records.
        record_count: number of records to learn from; 0 if it is not known, which counts as few.

    Raises:
        InvalidField: unknown kind, family or name, or a value that is not allowed.
        FailedPrecondition: the family cannot learn data of this schema.
    """
    return dataclasses.asdict(hyper_parameters(kind, family, given).resolve(schema, record_count))


def hyper_parameters(kind: str, family: str, given: Mapping[str, Any]) -> HyperParameters:
    """Validates hyper-parameters by name and fills in the defaults.

    Raises:
        InvalidField: unknown kind, family or name, or a value that is not allowed.
    """
    families = get_kind(kind).hyper_parameters
    if family not in families:
        raise InvalidField("family", family, "one of " + ", ".join(sorted(families)))
    return parse(families[family], given)


def require_divisible(resolved: Mapping[str, Any], processes: int) -> None:
    """Requires that a batch can be shared by processes, and each share split into the parts that it is worked on in.

    Args:
        resolved: every hyper-parameter by name.
        processes: how many.

    Raises:
        InvalidField: it cannot.
    """
    size, parts = resolved["batch_size"], resolved["accumulation"]
    if size % (processes * parts):
        allowed = f"a multiple of {processes * parts}: {processes} processes, each with {parts} parts (accumulation)"
        raise InvalidField("parameters.batch_size", size, allowed)
