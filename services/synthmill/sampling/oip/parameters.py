"""Reads the parameters of requests, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping

from synthmill.oip.v1.tensor_pb2 import InferParameter
from synthmill.runtime.errors import InvalidField
from synthmill.sampling.oip.shared_memory import Placement, Regions

Parameters = Mapping[str, InferParameter]

_REGION, _BYTE_SIZE, _OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
PLACEMENT = frozenset((_REGION, _BYTE_SIZE, _OFFSET))


def to_integer(parameters: Parameters, name: str, default: int | None = None) -> int | None:
    """Returns a whole number, or the default if it is not given.

    Raises:
        InvalidField: it is of another type.
    """
    return _read(parameters, name, ("int64_param", "uint64_param"), "a whole number", default)


def to_number(parameters: Parameters, name: str) -> float | None:
    """Returns a number, None if it is not given; raises as `to_integer`."""
    found = _read(parameters, name, ("double_param", "int64_param", "uint64_param"), "a number", None)
    return None if found is None else float(found)


def to_text(parameters: Parameters, name: str) -> str | None:
    """Returns a text, None if it is not given; raises as `to_integer`."""
    return _read(parameters, name, ("string_param",), "text", None)


def to_flag(parameters: Parameters, name: str) -> bool:
    """Returns whether something is switched on; raises as `to_integer`."""
    return _read(parameters, name, ("bool_param",), "true or false", False)


def to_placement(parameters: Parameters, field: str, regions: Regions) -> Placement | None:
    """Returns where in shared memory a tensor lies, None if it does not.

    Args:
        parameters: of the tensor.
        field: the tensor, for messages.
        regions: what is registered.

    Raises:
        InvalidField: a parameter is malformed or unknown, or the tensor would leave its region.
        NotFound: there is no such region.
        FailedPrecondition: shared memory is off.
    """
    for name in parameters:
        if name not in PLACEMENT:
            raise InvalidField(f"{field}.parameters", name, "only " + ", ".join(sorted(PLACEMENT)))
    region = to_text(parameters, _REGION)
    if region is None:
        if parameters:
            raise InvalidField(f"{field}.parameters", ", ".join(parameters), f"nothing without {_REGION}")
        return None
    return regions.place(region, to_integer(parameters, _OFFSET, 0), to_integer(parameters, _BYTE_SIZE, 0))


def _read(parameters: Parameters, name: str, kinds: tuple[str, ...], allowed: str, default: object) -> object:
    if name not in parameters:
        return default
    value = parameters[name]
    kind = value.WhichOneof("parameter_choice")
    found = getattr(value, kind) if kind else None
    if kind not in kinds:
        raise InvalidField(f"parameters.{name}", found, allowed)
    return found
