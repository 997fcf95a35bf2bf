"""Finds kinds: those installed as entry points of the group "synthmill.kinds", and modules named in SYNTHMILL_KINDS."""

from __future__ import annotations

import functools
import importlib
import os
from importlib.metadata import entry_points

from synthmill.kinds.base import Kind
from synthmill.runtime.errors import InvalidField

VARIABLE = "SYNTHMILL_KINDS"


@functools.cache
def all_kinds() -> dict[str, Kind]:
    """Returns every kind by name; those of SYNTHMILL_KINDS ("module,module", each with a KIND) come on top."""
    found = [entry_point.load() for entry_point in entry_points(group="synthmill.kinds")]
    extra = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    found += [importlib.import_module(name).KIND for name in extra]
    return {kind.name: kind for kind in found}


def get_kind(name: str) -> Kind:
    """Returns a kind by name.

    Raises:
        InvalidField: there is no such kind.
    """
    try:
        return all_kinds()[name]
    except KeyError:
        raise InvalidField("kind", name, "one of " + ", ".join(sorted(all_kinds()))) from None
