"""Classes and functions by name, for a process that is told what to run: "module:name"."""

from __future__ import annotations

import importlib
from typing import Any


def load(place: str) -> Any:
    """Returns what a module has under a name."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def place_of(found: Any) -> str:
    """Returns where a class or a function is."""
    return f"{found.__module__}:{found.__qualname__}"
