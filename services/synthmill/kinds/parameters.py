"""Turns untrusted mappings into validated parameter dataclasses, and describes them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from synthmill.runtime.errors import InvalidField

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Description:
    """A parameter as people are told of it."""

    name: str
    type: str
    default: Any
    allowed: str
    description: str


def parse(cls: type[T], given: Mapping[str, Any], prefix: str = "parameters") -> T:
    """Validates values by name and fills in the defaults.

    Args:
        cls: frozen dataclass whose fields were made by `parameter()`.
        given: values; strings are converted (a command line has nothing else), whole floats count as integers.
        prefix: where the values come from, for messages.

    Raises:
        InvalidField: an unknown name, a value of the wrong type or out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in given:
        if name not in fields:
            raise InvalidField(f"{prefix}.{name}", given[name], "only " + ", ".join(sorted(fields)))
    values = {name: _convert(fields[name], given[name], f"{prefix}.{name}") for name in given}
    return cls(**values)


def describe(cls: type) -> list[Description]:
    """Lists the parameters of a dataclass in their order."""
    return [
        Description(f.name, type(f.default).__name__, f.default, allowed(f), f.metadata["description"])
        for f in dataclasses.fields(cls)
    ]


def allowed(field: dataclasses.Field) -> str:
    """Says in words which values a field takes."""
    meta = field.metadata
    if meta["choices"] is not None:
        return "one of " + ", ".join(map(str, meta["choices"]))
    if isinstance(field.default, bool):
        return "true or false"
    if isinstance(field.default, tuple):
        parts = ["one number or two, the lower first,"]
    else:
        parts = [{"int": "an integer", "float": "a finite number", "str": "text"}[type(field.default).__name__]]
    if meta["above"] is not None:
        parts.append(f"above {meta['above']}")
    if meta["minimum"] is not None:
        parts.append(f"at least {meta['minimum']}")
    if meta["maximum"] is not None:
        parts.append(f"at most {meta['maximum']}")
    return " ".join(parts)


def _convert(field: dataclasses.Field, value: Any, path: str) -> Any:
    wanted = type(field.default)
    refusal = InvalidField(path, value, allowed(field))
    try:
        if wanted is bool:
            value = _to_bool(value)
        elif wanted is int:
            value = _to_int(value)
        elif wanted is float:
            value = _to_float(value)
        elif wanted is tuple:
            value = _to_span(value, type(field.default[0]))
        elif not isinstance(value, str):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise refusal from None
    meta = field.metadata
    if meta["choices"] is not None and value not in meta["choices"]:
        raise refusal
    low, high = value if wanted is tuple else (value, value)
    if meta["above"] is not None and not low > meta["above"]:
        raise refusal
    if meta["minimum"] is not None and not low >= meta["minimum"]:
        raise refusal
    if meta["maximum"] is not None and not high <= meta["maximum"]:
        raise refusal
    return value


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    if not isinstance(value, bool):
        raise ValueError
    return value


def _to_int(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return int(value)


def _to_span(value: Any, of: type) -> tuple[Any, Any]:
    bounds = value if isinstance(value, list | tuple) else (value, value)
    convert = _to_int if of is int else _to_float
    low, high = (convert(bound) for bound in bounds)
    if low > high:
        raise ValueError
    return low, high


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    value = float(value)
    if not math.isfinite(value):
        raise ValueError
    return value
