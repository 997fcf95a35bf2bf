"""What a folder of shards is to hold: read again by the next command that writes to it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Self

from synthmill.client.shards import Shard, Shards
from synthmill.client.writers.manifest import Recipe
from synthmill.runtime.errors import AlreadyExists, DataLoss


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a folder of shards is to hold, all parts of it together.

    Attributes:
        model: version.
        model_digest: its digest.
        recipe: the samples.
        format: name of the format.
        shard_rows: a shard ends at every multiple of this index.
        labels: label plan as it was asked for; that of the recipe is fixed.
    """

    model: str
    model_digest: str
    recipe: Recipe
    format: str
    shard_rows: int
    labels: str = ""

    @property
    def shards(self) -> Shards:
        """The shards."""
        start = self.recipe.start_index
        return Shards(start, start + self.recipe.count, self.shard_rows)

    def to_json(self) -> dict[str, Any]:
        """Inverse of `read`."""
        return dataclasses.asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Reads a plan; None if there is none.

        Raises:
            DataLoss: it is damaged.
        """
        try:
            told = json.loads(path.read_bytes())
            return cls(**{**told, "recipe": Recipe(**told["recipe"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise DataLoss(f"{path} is damaged: {error}") from error

    def check_same(self, earlier: Plan, folder: Path) -> None:
        """Checks that shards of an earlier plan are shards of this one, as far as both have them.

        Raises:
            AlreadyExists: they are others; it names what differs.
        """
        ours, theirs = self._facts(), earlier._facts()
        for name, wanted in ours.items():
            if theirs[name] != wanted:
                raise _refusal(folder, f"was begun with {name} {theirs[name]!r}, not {wanted!r}", name)

    def check_range(self, names: list[str], folder: Path) -> None:
        """Checks that shards which a folder has are among these.

        Args:
            names: names of shards.

        Raises:
            AlreadyExists: one is not.
        """
        for name in names:
            shard = Shard.parse(name)
            if shard is not None and shard not in self.shards:
                told = f"holds samples {shard.start} to {shard.stop - 1}, which are no shard of those asked for"
                raise _refusal(folder, told, "range")

    def _facts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "model digest": self.model_digest,
            "seed": self.recipe.seed,
            "label plan": self.recipe.label_plan,
            "truncation": self.recipe.truncation,
            "filter": self.recipe.filter,
            "format": self.format,
            "shard rows": self.shard_rows,
        }


def _refusal(folder: Path, told: str, differs: str) -> AlreadyExists:
    allowed = "the recipe that the folder was begun with, another folder, or to overwrite it"
    message = f"out: {folder} {told}, allowed: {allowed}"
    return AlreadyExists(message, field="out", value=str(folder), allowed=allowed, differs=differs)
