"""What the catalog has answered about names, each answer believed for a while."""

from __future__ import annotations

import collections
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from synthmill.runtime.errors import NotFound

T = TypeVar("T")

_MAX_REMEMBERED = 1024


class Remembered(Generic[T]):
    """Resources of the catalog by name; belongs to one event loop.

    Args:
        ask: asks the catalog for the resource of a name.
        fresh_s: how long an answer is believed.
    """

    def __init__(self, ask: Callable[[str], Awaitable[T]], fresh_s: float) -> None:
        self._ask, self._fresh_s = ask, fresh_s
        self._known: collections.OrderedDict[str, tuple[float, T]] = collections.OrderedDict()

    async def get(self, name: str, field: str) -> T:
        """Returns the resource of a name.

        Args:
            name: with or without a version.
            field: where the name comes from, for messages.

        Raises:
            NotFound: there is none.
        """
        if name in self._known:
            answered, known = self._known[name]
            if time.monotonic() - answered <= self._fresh_s:
                return known
        try:
            found = await self._ask(name)
        except NotFound:
            raise NotFound(f"{field}: there is no {name}", field=field, value=name) from None
        self._known[name] = time.monotonic(), found
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return found

    def forget(self, name: str) -> None:
        """Has the catalog asked again for a name, whose resource has changed."""
        self._known.pop(name, None)
