"""What `wrap_foreign` may be told about a graph."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from synthmill.runtime.errors import InvalidField

LAYOUTS = ("NCHW", "NHWC")


@dataclasses.dataclass(frozen=True)
class WrapOptions:
    """How to read the inputs and the output of a foreign generator; what is empty is inferred.

    Attributes:
        latent: name of the latent input.
        label: name of the label input.
        output: name of the output that holds the samples.
        column: name of the finished column.
        shape: extents to give each sample before all else, for generators that put out pixels as one vector.
        layout: order of the axes of a picture.
        range: values of a picture's darkest and brightest level.
    """

    latent: str = ""
    label: str = ""
    output: str = ""
    column: str = ""
    shape: tuple[int, ...] = ()
    layout: str = ""
    range: tuple[float, ...] = ()

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> WrapOptions:
        """Validates options by name; lists may be given as text with commas.

        Raises:
            InvalidField: an unknown name or a value that is not allowed.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in names:
                raise InvalidField(f"parameters.{name}", given[name], "only " + ", ".join(names))
        values = {name: _READERS.get(name, _text)(f"parameters.{name}", value) for name, value in given.items()}
        return cls(**values)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidField(path, value, "text")
    return value


def _shape(path: str, value: Any) -> tuple[int, ...]:
    numbers = _numbers(path, value)
    if not numbers or any(number < 1 or number % 1 for number in numbers):
        raise InvalidField(path, value, "whole extents of at least 1")
    return tuple(map(int, numbers))


def _layout(path: str, value: Any) -> str:
    if value not in LAYOUTS:
        raise InvalidField(path, value, "one of " + ", ".join(LAYOUTS))
    return value


def _range(path: str, value: Any) -> tuple[float, ...]:
    numbers = _numbers(path, value)
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise InvalidField(path, value, "two numbers, the lower one first")
    return numbers


def _numbers(path: str, value: Any) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise InvalidField(path, value, "a list of numbers") from None
    if not all(map(math.isfinite, numbers)):
        raise InvalidField(path, value, "finite numbers")
    return numbers


_READERS = {"shape": _shape, "layout": _layout, "range": _range}
