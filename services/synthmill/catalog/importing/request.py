"""What an import was asked to do: validated when it is asked for, and again by the job that does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.catalog.splits import SplitParameters
from synthmill.kinds import parameters as kind_parameters
from synthmill.kinds.base import Kind
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import check_id


@dataclasses.dataclass(frozen=True)
class ImportSpec:
    """The message `DatasetSpec`, with every default filled in.

    Attributes:
        dataset: id of the dataset.
        kind: word of the kind.
        label_from: where labels come from; empty means what the source suggests.
        parameters: import parameters of the kind and `SplitParameters`, by name.
        provenance: license, origin and consent.
    """

    dataset: str
    kind: str
    label_from: str
    parameters: dict[str, Any]
    provenance: dict[str, str]


@dataclasses.dataclass(frozen=True)
class ResolvedParameters:
    """Import parameters as the objects that use them."""

    kind: Any
    split: SplitParameters


def make_spec(
    dataset: str, kind: str, label_from: str, parameters: Mapping[str, Any], provenance: Mapping[str, str]
) -> ImportSpec:
    """Validates the parts of a spec.

    Raises:
        InvalidField: an id, a kind or a parameter is not allowed.
    """
    check_id("spec.dataset", dataset)
    resolved = resolve_parameters(get_kind(kind), parameters)
    filled_in = {**dataclasses.asdict(resolved.kind), **dataclasses.asdict(resolved.split)}
    return ImportSpec(dataset, kind, label_from, filled_in, dict(provenance))


def resolve_parameters(kind: Kind, given: Mapping[str, Any]) -> ResolvedParameters:
    """Divides parameters between the kind and the splits.

    Raises:
        InvalidField: a parameter is unknown to both, or has a value that is not allowed.
    """
    for_split = {field.name for field in dataclasses.fields(SplitParameters)}
    for_kind = {field.name for field in dataclasses.fields(kind.import_parameters)}
    for name, value in given.items():
        if name not in for_split | for_kind:
            raise InvalidField(f"spec.parameters.{name}", value, "only " + ", ".join(sorted(for_split | for_kind)))
    return ResolvedParameters(
        kind_parameters.parse(
            kind.import_parameters, {n: v for n, v in given.items() if n in for_kind}, "spec.parameters"
        ),
        kind_parameters.parse(SplitParameters, {n: v for n, v in given.items() if n in for_split}, "spec.parameters"),
    )
