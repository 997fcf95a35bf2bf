"""Reads a file whose parts are fetched ahead, several at a time."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PART_BYTES = 8 * 1024 * 1024
_AHEAD = 4


class PartReader(io.RawIOBase):
    """The bytes of a file in order; what a fetch raises, the read of its part raises.

    Args:
        first: the bytes before the first offset.
        offsets: where the other parts begin.
        fetch: returns the part that begins at an offset; called by up to four threads.
    """

    def __init__(self, first: bytes, offsets: Iterable[int], fetch: Callable[[int], bytes]) -> None:
        self._current = memoryview(first)
        self._offsets = iter(offsets)
        self._fetch = fetch
        self._pool = ThreadPoolExecutor(_AHEAD, "store-part")
        self._coming: deque[Future[bytes]] = deque()
        self._ask_ahead()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Copies what is there of the current part; 0 bytes at the end of the file."""
        if not self._current and self._coming:
            self._current = memoryview(self._coming.popleft().result())
            self._ask_ahead()
        count = min(len(buffer), len(self._current))
        buffer[:count] = self._current[:count]
        self._current = self._current[count:]
        return count

    def close(self) -> None:
        """Ends the fetching."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _ask_ahead(self) -> None:
        while len(self._coming) < _AHEAD and (offset := next(self._offsets, None)) is not None:
            self._coming.append(self._pool.submit(self._fetch, offset))
