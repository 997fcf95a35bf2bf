"""The log of what was asked to change: append-only, each entry bound to the one before it by its digest.

A file is a line of JSON for each entry. `digest` is the SHA-256 of the entry without it, as JSON with sorted keys and
no spaces, and `previous` the digest of the entry before, so that nothing inside can be changed, taken out or put in
without all that follows being made anew. What is cut off at the end, or made anew in whole, shows against a digest that
was noted elsewhere: `synthmill audit verify` prints them and takes them back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmill.runtime.errors import FailedPrecondition, InvalidField, Unavailable

FIRST = "0" * 64
"""What the first entry of a file has as its predecessor's digest."""


class AuditLog:
    """One file of the log, which this process alone writes and goes on with after a restart.

    Args:
        path: the file; made, with its folder, if it is not there.

    Raises:
        InvalidField: it cannot be written.
        FailedPrecondition: another process writes it, or its last entry is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidField("audit", str(path), f"a file that can be written ({error.strerror})") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise FailedPrecondition(f"another process writes {path}; each needs a log of its own") from None
        self._lock = asyncio.Lock()
        self._sequence, self._previous = self._resumed(path)

    async def add(self, entry: Mapping[str, Any]) -> None:
        """Writes an entry; it is on the disk when this returns.

        Args:
            entry: JSON values by name.

        Raises:
            Unavailable: it could not be written.
        """
        async with self._lock:
            line = chained(self._sequence + 1, self._previous, entry)
            try:
                await asyncio.to_thread(self._write, line)
            except OSError as error:
                raise Unavailable(f"the audit log cannot be written: {error.strerror}") from error
            self._sequence, self._previous = line["sequence"], line["digest"]

    def close(self) -> None:
        """Lets another process go on with the file."""
        os.close(self._file)

    def _resumed(self, path: Path) -> tuple[int, str]:
        content = path.read_bytes()
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            # The machine stopped in the middle of a line: what is left of it stays, and an entry says so.
            os.write(self._file, b"\n")
        sequence, previous = _last(path, whole)
        if torn:
            line = chained(sequence + 1, previous, {"event": "torn", "sha256": hashlib.sha256(torn).hexdigest()})
            self._write(line)
            return line["sequence"], line["digest"]
        return sequence, previous

    def _write(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        os.fdatasync(self._file)


def chained(sequence: int, previous: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an entry with its place in the chain."""
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    line = {"sequence": sequence, "time": time, "previous": previous, **entry}
    return {**line, "digest": digest_of(line)}


def digest_of(line: Mapping[str, Any]) -> str:
    """Returns the digest of an entry, which is over everything in it but the digest."""
    content = {name: value for name, value in line.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Verified:
    """What became of verifying a file.

    Attributes:
        entries: how many hold, from the beginning.
        digests: theirs, in order.
        fault: what is wrong with the next one, with its line; empty if all hold.
    """

    entries: int
    digests: list[str]
    fault: str = ""

    @property
    def head(self) -> str:
        """Digest of the last entry that holds."""
        return self.digests[-1] if self.digests else FIRST


def verify(content: bytes) -> Verified:
    """Follows the chain of a file from its beginning to the first entry that does not hold."""
    digests: list[str] = []
    torn = b""
    for number, data in enumerate(content.splitlines(), start=1):
        try:
            line = json.loads(data)
        except ValueError:
            if torn:
                return Verified(len(digests), digests, f"line {number} is no entry")
            torn = data
            continue
        fault = _fault(line, len(digests) + 1, digests[-1] if digests else FIRST, torn)
        if fault:
            return Verified(len(digests), digests, f"line {number} {fault}")
        digests.append(line["digest"])
        torn = b""
    fault = f"line {len(content.splitlines())} is no entry" if torn else ""
    return Verified(len(digests), digests, fault)


def _fault(line: Any, sequence: int, previous: str, torn: bytes) -> str:
    if not isinstance(line, dict) or "digest" not in line:
        return "is no entry"
    if line["digest"] != digest_of(line):
        return "was changed: it has another digest than it says"
    if line.get("previous") != previous or line.get("sequence") != sequence:
        return "does not follow the one before it"
    if torn and (line.get("event") != "torn" or line.get("sha256") != hashlib.sha256(torn).hexdigest()):
        return "follows a line that is no entry, and does not say so"
    return ""


def _last(path: Path, whole: bytes) -> tuple[int, str]:
    """Returns number and digest of the last entry of complete lines."""
    for data in reversed(whole.splitlines()):
        try:
            line = json.loads(data)
            return int(line["sequence"]), str(line["digest"])
        except (ValueError, KeyError, TypeError):
            continue
    if whole:
        raise FailedPrecondition(f"{path} is no audit log")
    return 0, FIRST
