"""The contract of a writer."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from synthmill.client.batches import Batch
from synthmill.client.writers.encoding import Encoding


@dataclasses.dataclass(frozen=True)
class Written:
    """A file that a writer has made.

    Attributes:
        name: its path in the writer's folder.
        row_count: samples in it.
    """

    name: str
    row_count: int


class Writer(ABC):
    """Writes samples to files in a folder.

    Args:
        folder: where to write; exists and is empty.
        encoding: what a sample looks like in files.
        count: samples that will come.
        single: name of the one file to make; empty for as many as the format likes, under names of its own.
    """

    suffix: ClassVar[str]
    """Ending of a path that means one file of this format; empty if it is never one."""

    def __init__(self, folder: Path, encoding: Encoding, count: int, single: str = "") -> None:
        self.folder = folder
        self.encoding = encoding
        self.count = count
        self.single = single

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Takes the next samples.

        Raises:
            InvalidField: the format cannot hold them.
        """

    @abstractmethod
    def finish(self) -> list[Written]:
        """Completes the files and returns them; the manifest has the digest of each."""

    @abstractmethod
    def close(self) -> None:
        """Closes what is open, complete or not; may be called again."""
