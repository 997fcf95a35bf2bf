"""From a model to files on the disk."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any, Self

from synthmill.client.bulk import BulkRun, OnProgress, ProgressReport, named
from synthmill.client.catalog import AsyncCatalog
from synthmill.client.executing import Executor, make_executor
from synthmill.client.filters import Filter, to_filter, to_recipe
from synthmill.client.labels import format_labels, to_label_plan
from synthmill.client.messages import full_name
from synthmill.client.sampling import AsyncSampling, Labels
from synthmill.client.shard_writing import stream_recipe
from synthmill.client.shards import PART_SYNTAX, check_range, default_shard_rows
from synthmill.client.writers import FORMATS
from synthmill.client.writers.encoding import Encoding
from synthmill.client.writers.manifest import Recipe, Record, Tally, describe_file, make_manifest, to_text
from synthmill.client.writers.plan import Plan
from synthmill.client.writers.shard_folder import ShardFolder
from synthmill.client.writers.target import Target
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.executors.names import FIELD, LOCAL
from synthmill.v1 import model_pb2

CARD = "card.json"


@dataclasses.dataclass(frozen=True)
class Asked:
    """The samples that a call asks for, in the words of the caller.

    Attributes:
        model: the model, or one of its versions.
        count: number of samples; None means all that the label plan has.
        seed: seed.
        start_index: index of the first sample.
        labels: label plan as text; empty if nothing was said.
        truncation: scale of the latent vector; None if nothing was said.
        filter: filter as JSON; None if there is none.
    """

    model: str
    count: int | None
    seed: int
    start_index: int
    labels: str
    truncation: float | None
    filter: dict[str, Any] | None

    def fixed_by(self, earlier: Plan) -> Self:
        """Returns the same with what an earlier plan has fixed: the model's version, and the numbers of a balance."""
        fixed = self
        if earlier.model.startswith(f"{full_name('models', self.model)}/versions/"):
            fixed = dataclasses.replace(fixed, model=earlier.model)
        if earlier.labels == self.labels:
            fixed = dataclasses.replace(fixed, labels=earlier.recipe.label_plan)
        return fixed


class SampleWriting:
    """Writes samples to files; the base of what both clients are made of."""

    catalog: AsyncCatalog
    sampling: AsyncSampling

    async def write_samples(
        self,
        model: str,
        out: str | Path,
        count: int | None = None,
        *,
        format: str = "",
        seed: int = 0,
        start_index: int = 0,
        labels: Labels = None,
        truncation: float | None = None,
        filter: Filter = None,
        part: tuple[int, int] | None = None,
        shard_rows: int | None = None,
        in_flight: int | None = None,
        overwrite: bool = False,
        executor: Executor | str = LOCAL,
        on_progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Streams samples to files and returns their manifest.

        A folder is written as shards, several at once, that end at the same indices whatever range is asked for. Each
        of them appears whole, and manifest.json when all are there. After an interruption the same call goes on: it
        keeps the shards that are intact, with the model's version and the label plan that the first call has fixed.
        One file appears whole with its manifest, or not at all.

        Args:
            out: folder; or, for a path that ends as the format does (.npz, .parquet, .tar), one file, whose manifest is
                beside it with .manifest.json after its name.
            count: number of samples; None means all that a label plan with an end has.
            filter: which of several candidates each sample is, as in `AsyncSampling.sample`; the manifest has it, and
                how many samples passed.
            format: "npz", "parquet", "webdataset" or "png"; empty means what the ending of `out` says, else "parquet".
            part: (I, N) to write only the I-th of N runs of the shards, 0 <= I < N: the manifest returned is that of
                the part. The parts may be written to one folder, or to several whose files are put together later; the
                last call for one folder writes its manifest.json, as does a call without a part.
            shard_rows: a shard ends at every multiple of it; None leaves it to the size of a sample.
            in_flight: shards to write at once; None leaves it to the executor.
            overwrite: whether to replace a file, or to empty a folder that was written before.
            executor: what writes the shards: "local", this process; or "ray", the nodes of the Ray cluster that
                RAY_ADDRESS names, else of the one with a node here. `make_executor` makes one of another address.
            on_progress: told how far it has come.

        Raises:
            AlreadyExists: something is at `out` already that this does not go on with.
            FailedPrecondition: another process is writing the same samples there.
            InvalidField: an unknown format, or a field as in `AsyncSampling.iter_batches`.
            OSError: the files cannot be written; it names where.
            And as `AsyncSampling.iter_batches` and the executor.
        """
        target = Target.find(Path(out), format, overwrite)
        asked = Asked(model, count, seed, start_index, _to_text(labels), truncation, to_recipe(to_filter(filter)))
        placed = make_executor(executor) if isinstance(executor, str) else executor
        _check_shards(target, part, shard_rows, in_flight, placed.name)
        if not target.is_file:
            folder = ShardFolder(target.path, target.format)
            plan, version, card = await self._plan(asked, folder, shard_rows, overwrite)
            run = BulkRun(self.sampling, version, card, folder, plan, part)
            return await run.run(placed, overwrite=overwrite, in_flight=in_flight, on_progress=on_progress)
        return await self._write_file(target, asked, on_progress)

    async def _write_file(self, target: Target, asked: Asked, on_progress: OnProgress | None) -> dict[str, Any]:
        target.check_free()
        version, card = await self._version(asked.model)
        recipe = await self._recipe(version, asked)
        report = ProgressReport(on_progress, recipe.count)
        encoding, tally = Encoding.of_model(version, card.get("schema", {})), Tally(version)
        name = target.path.name
        with named(target.path), target.staged() as folder:
            with contextlib.closing(FORMATS[target.format](folder, encoding, recipe.count, name)) as writer:
                async with contextlib.aclosing(stream_recipe(self.sampling, version, recipe)) as batches:
                    async for batch in batches:
                        tally.add(batch)
                        await self.sampling.work(writer.add, batch)
                        report.add(done=batch.count)
                await self.sampling.work(writer.finish)
            digest, size_bytes = await self.sampling.work(describe_file, folder / name)
            counts = tally.label_counts(), tally.filter_counts()
            record = Record(name, digest, size_bytes, recipe.start_index, recipe.count, *counts)
            manifest = make_manifest(version, card, recipe, target.format, [record])
            (folder / target.manifest).write_text(to_text(manifest), encoding="utf-8")
        return manifest

    async def _plan(
        self, asked: Asked, folder: ShardFolder, rows: int | None, overwrite: bool
    ) -> tuple[Plan, model_pb2.Model, dict[str, Any]]:
        """Works out what a folder is to hold; what the plan of an earlier call has fixed stays."""
        folder.check(None, overwrite=overwrite)
        earlier = None if overwrite else folder.read_plan()
        labels = asked.labels
        if earlier is not None:
            asked = asked.fixed_by(earlier)
            rows = rows or earlier.shard_rows
        version, card = await self._version(asked.model)
        recipe = await self._recipe(version, asked)
        rows = rows or default_shard_rows(version.columns)
        plan = Plan(version.name, version.digest, recipe, folder.format, rows, labels)
        folder.check(plan, overwrite=overwrite)
        return plan, version, card

    async def _version(self, model: str) -> tuple[model_pb2.Model, dict[str, Any]]:
        version = await self.catalog.get_model(model)
        return version, await self._card(version)

    async def _recipe(self, version: model_pb2.Model, asked: Asked) -> Recipe:
        labels = await self.sampling.fixed_plan(version.name, asked.seed, to_label_plan(asked.labels or None))
        count = asked.count
        if count is None:
            start = asked.start_index
            counts = await self.sampling.count_labels(version.name, seed=asked.seed, start_index=start, labels=labels)
            count = sum(counts.values())
        check_range(asked.start_index, count)
        return Recipe(asked.seed, asked.start_index, count, _to_text(labels), asked.truncation, asked.filter)

    async def _card(self, version: model_pb2.Model) -> dict[str, Any]:
        artifact = next((artifact for artifact in version.artifacts if artifact.name == CARD), None)
        if artifact is None:
            return {}
        async with contextlib.aclosing(self.catalog.read_artifact(version.name, artifact)) as pieces:
            return json.loads(b"".join([piece async for piece in pieces]))


def _check_shards(
    target: Target, part: tuple[int, int] | None, shard_rows: int | None, in_flight: int | None, executor: str
) -> None:
    for field, value in (("part", part), ("shard_rows", shard_rows)):
        if value is not None and target.is_file:
            raise InvalidField(field, value, f"unset: {target.path} is one file")
    if executor != LOCAL and target.is_file:
        raise InvalidField(FIELD, executor, f"{LOCAL}: {target.path} is one file")
    if part is not None and not 0 <= part[0] < part[1]:
        raise InvalidField("part", "/".join(map(str, part)), PART_SYNTAX)
    if part is not None and target.overwrite:
        raise InvalidField("overwrite", True, "false for a part: it would remove the others")
    for field, value in (("shard_rows", shard_rows), ("in_flight", in_flight)):
        if value is not None and value < 1:
            raise InvalidField(field, value, "at least 1")


def _to_text(labels: Labels) -> str:
    plan = to_label_plan(labels)
    return format_labels(plan) if plan is not None else ""
