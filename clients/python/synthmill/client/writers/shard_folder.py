"""A folder of shards that can be gone on with after it was left at any moment.

Beside the shards lies the hidden folder `.synthmill`: the plan, a record of every shard, and what is being written. A
shard gets its name when all of it is on the disk, and after its record, so that whatever has a name is whole and known.
The manifest comes last, when all shards are there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthmill.client.shards import Shard, Shards
from synthmill.client.staging import MANIFEST, check_free, publish_file, sync
from synthmill.client.writers import FORMATS
from synthmill.client.writers.manifest import Record, Tally, add_counts, describe_file, digest_of, to_text
from synthmill.client.writers.plan import Plan
from synthmill.runtime.errors import FailedPrecondition

STATE = ".synthmill"
"""Name of the hidden folder."""

DIGESTS = "SHA256SUMS"
"""List of the digests of a tree of files."""

_PARTIAL = ".partial"
_LOCK = ".lock"


class ShardFolder:
    """A folder of shards.

    Args:
        path: where it is, or will be.
        format_name: name of the format.
    """

    def __init__(self, path: Path, format_name: str) -> None:
        self.path = path
        self.format = format_name
        self.writer = FORMATS[format_name]
        self._state = path / STATE
        self._plan = self._state / "plan.json"

    @property
    def manifest(self) -> Path:
        """The manifest, which is there when all shards are."""
        return self.path / MANIFEST

    def read_plan(self) -> Plan | None:
        """Returns what the folder is to hold; None if nothing has begun.

        Raises:
            DataLoss: the plan is damaged.
        """
        return Plan.read(self._plan)

    def check(self, plan: Plan | None, *, overwrite: bool = False) -> None:
        """Checks that a plan can be carried out here.

        Args:
            plan: the plan; None if only what is there matters yet.
            overwrite: whether what was written there before goes.

        Raises:
            AlreadyExists: something else is there.
        """
        earlier = self.read_plan()
        if earlier is None and not self._is_empty():
            check_free(self.path, overwrite=overwrite)
        if earlier is not None and plan is not None and not overwrite:
            plan.check_same(earlier, self.path)
            plan.check_range(sorted(path.stem for path in self._state.glob("*.json")), self.path)

    @contextlib.contextmanager
    def claimed(self, plan: Plan, shards: Shards) -> Iterator[None]:
        """Begins with a plan; for the with block nobody else may write these shards.

        After an error by which no shard was finished, the folder is as it was before.

        Raises:
            FailedPrecondition: somebody else does.
        """
        created = not self.path.exists()
        self._state.mkdir(parents=True, exist_ok=True)
        try:
            with _locked(self._state / f"{shards.start}-{shards.stop}{_LOCK}"):
                for path in self._state.glob(f"*{_PARTIAL}"):
                    if Shard.parse(path.name.partition(".")[0]) in shards:
                        _remove(path)
                if self.read_plan() != plan:
                    self.manifest.unlink(missing_ok=True)
                    self._put(self._plan, plan.to_json())
                yield
        except BaseException:
            self._leave(created)
            raise

    def clear(self) -> None:
        """Removes all; the plan stays to the end, so that a folder that is half empty is still known.

        Raises:
            FailedPrecondition: somebody writes to it.
        """
        if self.path.is_file():
            self.path.unlink()
        if not self.path.exists():
            return
        for lock in self._state.glob(f"*{_LOCK}"):
            with _locked(lock):
                pass
        shards = [path for path in self.path.iterdir() if path not in (self._state, self.manifest)]
        records = [path for path in self._state.glob("*") if path != self._plan]
        for path in [self.manifest, *shards] if self._plan.exists() else [*shards, self.manifest]:
            _remove(path)
        for path in [*records, self._state]:
            _remove(path)

    def intact(self, shard: Shard) -> Record | None:
        """Returns the record of a shard if all its bytes are what they were."""
        record = self.recorded(shard)
        if record is None or digest_of(self.path / record.name) != record.sha256:
            return None
        if self.writer.is_tree:
            for name, digest in _listed(self.path / record.name):
                if not (self.path / name).is_file() or digest_of(self.path / name) != digest:
                    return None
        return record

    def recorded(self, shard: Shard) -> Record | None:
        """Returns the record of a shard that is there."""
        try:
            record = Record(**json.loads(self._record(shard).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        path = self._place / self.file_name(shard)
        told = (record.name, record.first_index, record.row_count)
        if told != (str(path.relative_to(self.path)), shard.start, shard.count) or not path.is_file():
            return None
        return record if self.writer.is_tree or path.stat().st_size == record.size_bytes else None

    def has_record(self, shard: Shard) -> bool:
        """Tells whether a shard was finished once."""
        return self._record(shard).exists()

    @contextlib.contextmanager
    def scratch(self, shard: Shard) -> Iterator[Path]:
        """Lends a new folder for a shard; what is left in it at the end of the with block is gone."""
        folder = self._state / f"{shard.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def file_name(self, shard: Shard) -> str:
        """Returns the name of a shard's file, or of its list of files."""
        return f"{self.writer.stem}-{shard.name}{self.writer.suffix}"

    def publish(self, scratch: Path, shard: Shard, tally: Tally) -> Record:
        """Gives a finished shard its name; the tally has counted its samples."""
        written = scratch / self.file_name(shard)
        digest, size_bytes = describe_file(written)
        place = self._place / written.name
        files = [name for name, _ in _listed(written)] if self.writer.is_tree else []
        size_bytes += sum((scratch / name).stat().st_size for name in files)
        record = Record(
            name=str(place.relative_to(self.path)),
            sha256=digest,
            size_bytes=size_bytes,
            first_index=shard.start,
            row_count=shard.count,
            label_counts=tally.label_counts(),
            filter_counts=tally.filter_counts(),
        )
        self._put(self._record(shard), dataclasses.asdict(record))
        for name in files:
            (self.path / name).parent.mkdir(exist_ok=True)
            (scratch / name).replace(self.path / name)
        written.replace(place)
        sync(place.parent)
        return record

    def listed(self, plan: Plan, records: list[Record]) -> list[Record]:
        """Returns what the manifest of a complete folder names: its shards, or the one list of a tree."""
        if not self.writer.is_tree:
            return records
        # Synced one by one, so many files would take longer than all that was done before.
        os.sync()
        with self._putting(self.path / DIGESTS) as partial, partial.open("wb") as whole:
            for record in records:
                with (self.path / record.name).open("rb") as part:
                    shutil.copyfileobj(part, whole)
        digest, size_bytes = describe_file(self.path / DIGESTS)
        label_counts = add_counts(record.label_counts for record in records)
        filter_counts = add_counts(record.filter_counts for record in records)
        recipe = plan.recipe
        return [Record(DIGESTS, digest, size_bytes, recipe.start_index, recipe.count, label_counts, filter_counts)]

    def finish(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest of a complete folder."""
        self._put(self.manifest, manifest)
        for path in self._state.glob(f"*{_PARTIAL}"):
            _remove(path)
        for lock in self._state.glob(f"*{_LOCK}"):
            with contextlib.suppress(FailedPrecondition), _locked(lock):
                pass

    @property
    def _place(self) -> Path:
        """Where the named files are; the list of a tree is of use only here."""
        return self._state if self.writer.is_tree else self.path

    def _is_empty(self) -> bool:
        """Tells whether a process was killed here before it had a plan."""
        return self.path.is_dir() and set(self.path.iterdir()) == {self._state}

    def _record(self, shard: Shard) -> Path:
        return self._state / f"{shard.name}.json"

    def _leave(self, created: bool) -> None:
        """Takes back what was made, if no shard was finished and nobody else is here."""
        if any(path != self._plan for path in self._state.glob("*")):
            return
        _remove(self._plan)
        self._state.rmdir()
        if created:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def _put(self, path: Path, value: Mapping[str, Any]) -> None:
        with self._putting(path) as partial:
            partial.write_text(to_text(value), encoding="utf-8")

    @contextlib.contextmanager
    def _putting(self, path: Path) -> Iterator[Path]:
        """Lends a path to write to; at the end of the with block it replaces a file."""
        partial = self._state / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            yield partial
            publish_file(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """Yields name and digest of the files in a list."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            digest, _, name = line.rstrip("\n").partition("  ")
            yield name, digest


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock, which ends with the process too.

    Raises:
        FailedPrecondition: another process holds it.
    """
    import fcntl

    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailedPrecondition(f"out: another process is writing to {path.parent.parent}") from None
        except OSError:
            # Not all file systems of a network have locks; what is written to stays whole without them.
            pass
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
