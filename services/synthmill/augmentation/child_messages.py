"""What the service and the processes that work at records for it say to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from synthmill.augmentation.frames import Frame
from synthmill.augmentation.lent import Place
from synthmill.augmentation.opening import Recipe


class Open(NamedTuple):
    """Makes a task ready, under the key of its memory."""

    recipe: Recipe
    seed: int
    place: Place


class Forget(NamedTuple):
    """Lets go of a task and of its memory."""

    key: str


class Work(NamedTuple):
    """Works at a batch; answered by `Done` or `Failed`.

    Attributes:
        key: of the task.
        batch: indices and serialised records.
        limit_bytes: size of a message.
    """

    key: str
    batch: Sequence[tuple[int, bytes]]
    limit_bytes: int


class Ready(NamedTuple):
    """Says that the process waits for what it is asked."""


class Done(NamedTuple):
    """The results of a batch."""

    frames: list[Frame]


class Failed(NamedTuple):
    """A fault of the service in a batch.

    Attributes:
        told: for the log.
    """

    told: str
