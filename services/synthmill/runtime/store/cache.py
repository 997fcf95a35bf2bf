"""Local copies of files that are not on a local disk."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from synthmill.runtime.store.artifact import Artifact
from synthmill.runtime.store.storage import file_stamp, full_disk_told

# Whoever was given a path may not have opened the file yet, or may open it again.
_SPARED_S = 3600.0

logger = logging.getLogger(__name__)


class Cache:
    """Copies in a folder that any number of processes share.

    A copy appears under its digest when all of its bytes are there. Each process checks a copy's digest before it
    first hands it out, and again if the file has changed since. Before a copy is made, those that were not asked for
    the longest are removed until it fits; what was asked for in the last hour stays, whatever the limit.

    Args:
        folder: where the copies are.
        limit_bytes: what they may take together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._checked: dict[str, str] = {}
        self._lock = threading.Lock()

    def find(self, artifact: Artifact) -> Path | None:
        """Returns a whole copy's path; None if there is none. One that is damaged is removed."""
        path = self._folder / artifact.sha256
        try:
            # Its time of use, which many mounts do not keep; that of change stays.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            stamp = file_stamp(path)
            with self._lock:
                if self._checked.get(artifact.sha256) == stamp:
                    return path
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
        except FileNotFoundError:
            return None
        if not whole:
            logger.warning("%s: the copy at %s was damaged and is made anew", artifact.name, path)
            path.unlink(missing_ok=True)
            return None
        self._remember(artifact, stamp)
        return path

    def add(self, artifact: Artifact, chunks: Iterable[bytes]) -> Path:
        """Makes a copy and returns its path.

        Args:
            artifact: what it is a copy of.
            chunks: its bytes; whoever yields them checks them.

        Raises:
            ResourceExhausted: the disk is full.
        """
        path = self._folder / artifact.sha256
        partial = self._folder / f"{artifact.sha256}.{uuid.uuid4().hex}"
        with full_disk_told(artifact.name, "the disk for local copies"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(artifact.size_bytes)
            try:
                with partial.open("wb") as file:
                    file.writelines(chunks)
                stamp = file_stamp(partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        self._remember(artifact, stamp)
        return path

    def remove(self, artifact: Artifact) -> None:
        """Removes a copy, if there is one."""
        (self._folder / artifact.sha256).unlink(missing_ok=True)

    def _remember(self, artifact: Artifact, stamp: str | None) -> None:
        if stamp:
            with self._lock:
                self._checked[artifact.sha256] = stamp

    def _make_room(self, size_bytes: int) -> None:
        found = []
        for path in self._folder.iterdir():
            try:
                found.append((path.stat(), path))
            except FileNotFoundError:
                continue
        taken = size_bytes + sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda pair: pair[0].st_atime):
            if taken <= self._limit_bytes or time.time() - stat.st_atime < _SPARED_S:
                return
            path.unlink(missing_ok=True)
            taken -= stat.st_size
