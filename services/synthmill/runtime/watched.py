"""Files that may be replaced while a service runs: certificates, keys, tokens, quotas."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 1.0

logger = logging.getLogger(__name__)


class Watched(Generic[T]):
    """What is made of files, made again when one of them has been replaced.

    Files that have become unreadable or wrong are reported in the log, and what was made of them last stays in use.

    Args:
        paths: the files.
        read: makes the value of them; its errors are raised here the first time.
    """

    def __init__(self, paths: Sequence[str], read: Callable[[], T]) -> None:
        self._paths = paths
        self._read = read
        self._seen = self._look()
        self._looked = time.monotonic()
        self._value = read()

    def get(self) -> T:
        """Returns the value; looks at the files at most once a second."""
        now = time.monotonic()
        if now - self._looked > _LOOK_EVERY_S:
            self._looked = now
            self._renew()
        return self._value

    def _renew(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        try:
            self._value = self._read()
        # A half-written file is complete at the next look, and a wrong one must not end what works.
        except Exception as error:
            logger.error("%s cannot be used, what was read before stays in use: %s", ", ".join(self._paths), error)
            return
        finally:
            self._seen = seen
        logger.info("read again: %s", ", ".join(self._paths))

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_identity(path) for path in self._paths]


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
