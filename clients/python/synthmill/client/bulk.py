"""From a model to a folder of shards: several at once, each whole or not there, gone on with after any interruption."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthmill.client.executing import IN_FLIGHT, Executor
from synthmill.client.filters import from_recipe
from synthmill.client.sampling import AsyncSampling
from synthmill.client.shard_writing import ShardWriter, Step
from synthmill.client.shards import Shard, Shards
from synthmill.client.writers.manifest import Recipe, Record, make_manifest
from synthmill.client.writers.plan import Plan
from synthmill.client.writers.shard_folder import ShardFolder
from synthmill.runtime.errors import Overloaded, ResourceExhausted
from synthmill.v1 import model_pb2


@dataclasses.dataclass(frozen=True)
class WriteProgress:
    """How far writing has come.

    Attributes:
        done: samples written, or looked through.
        total: samples in all.
        kept: samples that were there before.
        damaged: shards that were there before, and were not what they should be.
        size_bytes: size of the files that are complete.
        verifying: whether files that were there before are still looked through.
    """

    done: int
    total: int
    kept: int = 0
    damaged: int = 0
    size_bytes: int = 0
    verifying: bool = False


OnProgress = Callable[[WriteProgress], None]
"""Called now and then, from several threads, but never from two at once."""


class ProgressReport:
    """Counts what several threads have done.

    Args:
        on_progress: who is told.
        total: samples in all.
    """

    def __init__(self, on_progress: OnProgress | None, total: int) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self.now = WriteProgress(0, total)

    def add(self, *, done: int = 0, kept: int = 0, damaged: int = 0, size_bytes: int = 0) -> None:
        """Adds to the counts, and tells."""
        with self._lock:
            now = self.now
            self.now = dataclasses.replace(
                now,
                done=now.done + done,
                kept=now.kept + kept,
                damaged=now.damaged + damaged,
                size_bytes=now.size_bytes + size_bytes,
            )
            self._tell()

    def begin(self, *, verifying: bool) -> None:
        """Begins a phase, in which what was kept is done already, unless it is still looked through."""
        with self._lock:
            self.now = dataclasses.replace(self.now, done=0 if verifying else self.now.kept, verifying=verifying)
            self._tell()

    def _tell(self) -> None:
        if self._on_progress:
            self._on_progress(self.now)


class BulkRun:
    """Writes the shards of a folder, or of one part of it.

    Args:
        sampling: where the samples come from.
        version: the model.
        card: its card.
        folder: where to write.
        plan: what the folder is to hold.
        part: (I, N) for the I-th of N runs of its shards; None for all.
    """

    def __init__(
        self,
        sampling: AsyncSampling,
        version: model_pb2.Model,
        card: Mapping[str, Any],
        folder: ShardFolder,
        plan: Plan,
        part: tuple[int, int] | None = None,
    ) -> None:
        self._sampling = sampling
        self._version = version
        self._card = card
        self._folder = folder
        self._plan = plan
        self._shards = plan.shards if part is None else plan.shards.part(*part)
        self._records: dict[Shard, Record] = {}
        self._report = ProgressReport(None, 0)

    async def run(
        self, executor: Executor, *, overwrite: bool, in_flight: int | None, on_progress: OnProgress | None
    ) -> dict[str, Any]:
        """Writes what is not there yet; returns the manifest of these shards, which is written once all are there.

        Args:
            executor: writes the shards.
            overwrite: whether what was written there before goes.
            in_flight: shards to write at once; None leaves it to the executor.
        """
        self._report = ProgressReport(on_progress, self._shards.count)
        if not overwrite and self._folder.read_plan() is not None:
            self._report.begin(verifying=True)
            await self._sampling.each(self._verify, self._shards, in_flight or IN_FLIGHT)
        if len(self._records) < len(self._shards):
            await self._check_askable(self._shards.stop - 1)
        if overwrite:
            await self._sampling.work(self._folder.clear)
        with named(self._folder.path), self._folder.claimed(self._plan, self._shards):
            self._report.begin(verifying=False)
            missing = (shard for shard in self._shards if shard not in self._records)
            schema = self._card.get("schema", {})
            writer = ShardWriter(self._sampling, self._version, schema, self._folder, self._plan)
            await executor.write(writer, missing, in_flight, self._take)
            return await self._sampling.work(self._finish)

    async def _check_askable(self, index: int) -> None:
        """Asks for the last sample, so that what cannot be had to its end is not begun."""
        recipe = self._plan.recipe
        # Where one sample alone is too large for an answer, the stream brings it; and it is patient.
        with contextlib.suppress(ResourceExhausted, Overloaded):
            await self._sampling.sample(
                self._version.name,
                1,
                seed=recipe.seed,
                start_index=index,
                labels=recipe.label_plan or None,
                truncation=recipe.truncation,
                filter=from_recipe(recipe.filter),
            )

    async def _verify(self, shard: Shard) -> None:
        record = await self._sampling.work(self._folder.intact, shard)
        if record is not None:
            self._records[shard] = record
            self._report.add(done=shard.count, kept=shard.count, size_bytes=record.size_bytes)
        elif self._folder.has_record(shard):
            self._report.add(damaged=1)

    def _take(self, shard: Shard, step: Step) -> None:
        if step.record is None:
            self._report.add(done=step.count)
        else:
            self._records[shard] = step.record
            self._report.add(size_bytes=step.record.size_bytes)

    def _finish(self) -> dict[str, Any]:
        """Writes the manifest if all shards of the folder are there; returns that of these."""
        recipe = self._plan.recipe
        everything = self._records_of(self._plan.shards)
        if everything is not None:
            manifest = self._manifest(recipe, self._folder.listed(self._plan, everything))
            self._folder.finish(manifest)
            if len(self._shards) == len(everything):
                return manifest
        ours = dataclasses.replace(recipe, start_index=self._shards.start, count=self._shards.count)
        return self._manifest(ours, [self._records[shard] for shard in self._shards])

    def _records_of(self, shards: Shards) -> list[Record] | None:
        found = []
        for shard in shards:
            record = self._records.get(shard) or self._folder.recorded(shard)
            if record is None:
                return None
            found.append(record)
        return found

    def _manifest(self, recipe: Recipe, records: list[Record]) -> dict[str, Any]:
        return make_manifest(self._version, self._card, recipe, self._plan.format, records)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Has an error of the system, such as a full disk, name a path if it names none."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
