"""One shard from a model to its file: the same wherever it is done."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

from synthmill.client.batches import Batch
from synthmill.client.filters import from_recipe
from synthmill.client.sampling import AsyncSampling
from synthmill.client.shards import Shard, batch_rows
from synthmill.client.writers.encoding import Encoding
from synthmill.client.writers.manifest import Recipe, Record, Tally
from synthmill.client.writers.plan import Plan
from synthmill.client.writers.shard_folder import ShardFolder
from synthmill.v1 import model_pb2


@dataclasses.dataclass(frozen=True)
class Step:
    """A step in the writing of a shard.

    Attributes:
        count: samples that it brought.
        record: of the finished shard, in the last step; None in the others.
    """

    count: int = 0
    record: Record | None = None


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """Writes shards of a folder, one at a time; may be pickled if its client may.

    Attributes:
        sampling: where the samples come from.
        version: the model.
        schema: the kind's schema, of the model's card.
        folder: where to write.
        plan: what the folder is to hold.
    """

    sampling: AsyncSampling
    version: model_pb2.Model
    schema: Mapping[str, Any]
    folder: ShardFolder
    plan: Plan

    async def steps(self, shard: Shard) -> AsyncGenerator[Step, None]:
        """Writes a shard; each step that is yielded has been done, and the same shard has the same ones."""
        tally = Tally(self.version)
        encoding = Encoding.of_model(self.version, self.schema)
        work, folder = self.sampling.work, self.folder
        with folder.scratch(shard) as scratch:
            with contextlib.closing(folder.writer(scratch, encoding, shard.count, folder.file_name(shard))) as writer:
                async with contextlib.aclosing(self._batches(shard)) as batches:
                    async for batch in batches:
                        tally.add(batch)
                        await work(writer.add, batch)
                        yield Step(batch.count)
                await work(writer.finish)
            record = await work(folder.publish, scratch, shard, tally)
        yield Step(record=record)

    def elsewhere(self) -> Self:
        """Returns the same for another process, that has the same files and another current folder."""
        folder = ShardFolder(self.folder.path.absolute(), self.folder.format)
        return dataclasses.replace(self, sampling=self.sampling.elsewhere(), folder=folder)

    def _batches(self, shard: Shard) -> AsyncGenerator[Batch, None]:
        recipe = dataclasses.replace(self.plan.recipe, start_index=shard.start, count=shard.count)
        return stream_recipe(self.sampling, self.version, recipe)


def stream_recipe(sampling: AsyncSampling, version: model_pb2.Model, recipe: Recipe) -> AsyncGenerator[Batch, None]:
    """Streams the samples of a recipe, in batches of a size that the model alone decides."""
    return sampling.iter_batches(
        version.name,
        recipe.count,
        batch_size=batch_rows(version.columns),
        seed=recipe.seed,
        start_index=recipe.start_index,
        labels=recipe.label_plan or None,
        truncation=recipe.truncation,
        filter=from_recipe(recipe.filter),
    )
