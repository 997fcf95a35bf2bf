"""Tells long calls that the service is about to end."""

from __future__ import annotations

import asyncio


class Drain:
    """A switch that is turned once, at shutdown; streams look at it between chunks."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the service is ending."""
        return self._event.is_set()

    def begin(self) -> None:
        """Turns the switch."""
        self._event.set()

    async def wait(self) -> None:
        """Returns once the service is ending."""
        await self._event.wait()
