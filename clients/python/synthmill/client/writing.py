"""From a model to files on the disk."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from synthmill.client.catalog import AsyncCatalog
from synthmill.client.labels import format_labels, to_label_plan
from synthmill.client.sampling import AsyncSampling, Labels, Progress
from synthmill.client.writers import Writer
from synthmill.client.writers.encoding import Encoding
from synthmill.client.writers.manifest import Recipe, Tally, describe_files, make_manifest, write_manifest
from synthmill.client.writers.target import Target
from synthmill.v1 import model_pb2

CARD = "card.json"

# Rows encoded at a time; also a row group of Parquet.
_BATCH_ROWS = 1000


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
        overwrite: bool = False,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Streams samples to files, which appear whole or not at all, and returns their manifest.

        Args:
            out: folder to make, which gets a manifest.json; or, for a path that ends as the format does (.npz,
                .parquet, .tar), one file, whose manifest is beside it with .manifest.json after its name.
            count: number of samples; None means all that a label plan with an end has.
            format: "npz", "parquet", "webdataset" or "png"; empty means what the ending of `out` says, else "parquet".
            overwrite: whether to replace a file, or a folder that was written before.
            on_progress: called with (samples received, samples in all).

        Raises:
            AlreadyExists: something is at `out` already.
            InvalidField: an unknown format, or a field as in `AsyncSampling.iter_batches`.
            And as `AsyncSampling.iter_batches`.
        """
        target = Target.find(Path(out), format, overwrite)
        target.check_free()
        version = await self.catalog.get_model(model)
        card = await self._card(version)
        plan = await self.sampling.fixed_plan(version.name, seed, to_label_plan(labels))
        if count is None:
            count = sum((await self.sampling.count_labels(version.name, seed=seed, labels=plan)).values())
        recipe = Recipe(seed, start_index, count, format_labels(plan) if plan else "", truncation)
        with target.staged() as folder:
            encoding = Encoding.of_model(version, card.get("schema", {}))
            with contextlib.closing(target.writer(folder, encoding, count)) as writer:
                tally = await self._fill(writer, version, recipe, on_progress)
                written = await self.sampling.work(writer.finish)
            files = await self.sampling.work(describe_files, folder, written)
            manifest = make_manifest(version, card, recipe, target.format, tally.by_name(), files)
            write_manifest(folder / target.manifest, manifest)
        return manifest

    async def _fill(
        self, writer: Writer, version: model_pb2.Model, recipe: Recipe, on_progress: Progress | None
    ) -> Tally:
        """Streams the samples of a recipe into a writer, and counts them."""
        tally = Tally(version)
        batches = self.sampling.iter_batches(
            version.name,
            recipe.count,
            batch_size=_BATCH_ROWS,
            seed=recipe.seed,
            start_index=recipe.start_index,
            labels=recipe.label_plan or None,
            truncation=recipe.truncation,
            on_progress=on_progress,
        )
        async with contextlib.aclosing(batches):
            async for batch in batches:
                tally.add(batch)
                await self.sampling.work(writer.add, batch)
        return tally

    async def _card(self, version: model_pb2.Model) -> dict[str, Any]:
        artifact = next((artifact for artifact in version.artifacts if artifact.name == CARD), None)
        if artifact is None:
            return {}
        async with contextlib.aclosing(self.catalog.read_artifact(version.name, artifact)) as pieces:
            return json.loads(b"".join([piece async for piece in pieces]))
