"""Values that are tried: choices, or a range."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

from synthmill.runtime.errors import InvalidField

Value = bool | int | float | str
"""What may be tried."""

_NAMES = ("choices", "low", "high", "log", "relative")


@dataclasses.dataclass(frozen=True)
class Range:
    """Values of one thing that are tried.

    Attributes:
        choices: the only ones, the first of them first; empty for a range.
        low: least value of a range.
        high: greatest value of it.
        log: whether it is gone through by ratios instead of differences.
        relative: whether choices and bounds are factors of a value that is not known yet.
    """

    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    relative: bool = False

    @classmethod
    def parse(cls, given: Any, path: str) -> Self:
        """Reads a range.

        Args:
            given: a mapping by the names of the attributes.
            path: where it stands, for messages.

        Raises:
            InvalidField: it is none; the field is the path of what is wrong.
        """
        if not isinstance(given, Mapping):
            raise InvalidField(path, given, "choices, or low and high")
        for name in given:
            if name not in _NAMES:
                raise InvalidField(f"{path}.{name}", given[name], "only " + ", ".join(_NAMES))
        found = cls(
            choices=tuple(given.get("choices") or ()),
            low=given.get("low"),
            high=given.get("high"),
            log=given.get("log", False),
            relative=given.get("relative", False),
        )
        found._check(path)
        return found

    @property
    def ends(self) -> tuple[Value, ...]:
        """The choices, or both ends: if these are allowed, all values are."""
        return self.choices or (self.low, self.high)

    def times(self, default: float, *, integer: bool) -> Self:
        """Returns the range of which this one, if it is relative, is a multiple; otherwise itself.

        Args:
            default: what factors are of.
            integer: whether values are whole numbers of at least 1.
        """
        if not self.relative:
            return self

        def scaled(factor: Any) -> Value:
            return max(1, round(factor * default)) if integer else factor * default

        if self.choices:
            return dataclasses.replace(self, choices=tuple(dict.fromkeys(map(scaled, self.choices))), relative=False)
        return dataclasses.replace(self, low=scaled(self.low), high=scaled(self.high), relative=False)

    def to_json(self) -> dict[str, Any]:
        """Returns it as `parse` reads it, without what is not set."""
        values = {"choices": list(self.choices), "low": self.low, "high": self.high}
        switches = {"log": self.log, "relative": self.relative}
        return {name: value for name, value in {**values, **switches}.items() if value not in ([], None, False)}

    def _check(self, path: str) -> None:
        for name in ("log", "relative"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidField(f"{path}.{name}", getattr(self, name), "true or false")
        if self.choices:
            self._check_choices(path)
            return
        for name in ("low", "high"):
            value = getattr(self, name)
            if not _is_number(value):
                raise InvalidField(f"{path}.{name}", value, "a finite number, unless there are choices")
        if not self.low <= self.high:
            raise InvalidField(f"{path}.high", self.high, f"{self.low}, the low end, or more")
        if (self.log or self.relative) and not self.low > 0:
            raise InvalidField(f"{path}.low", self.low, "above 0 for a range of ratios or factors")

    def _check_choices(self, path: str) -> None:
        if self.low is not None or self.high is not None:
            raise InvalidField(path, self.to_json(), "either choices, or low and high")
        if len(set(self.choices)) < len(self.choices):
            raise InvalidField(f"{path}.choices", list(self.choices), "distinct values")
        for number, choice in enumerate(self.choices):
            fits = _is_number(choice) and choice > 0 if self.relative else isinstance(choice, Value)
            if not fits:
                allowed = "a factor above 0" if self.relative else "a number, text, true or false"
                raise InvalidField(f"{path}.choices[{number}]", choice, allowed)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
