"""Results of a batch within a bound of memory, whatever a policy makes of a small record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any

from synthmill.kinds.augmentation import Augmentation


class Postponed:
    """In the place of a result: the batch has made enough, and this one is left for another."""


POSTPONED = Postponed()


class Frugal(Executor):
    """Works at the records of a batch one after the other, and postpones what comes after a number of bytes.

    Batches are what runs side by side. How large results are is known only once they are there, so that a batch of a
    hundred icons may turn into a hundred posters; at least one result is made of each batch.

    Args:
        augmentation: knows how large a result is.
        limit_bytes: what the results of a batch may take.
    """

    def __init__(self, augmentation: Augmentation, limit_bytes: int) -> None:
        self._augmentation, self._limit_bytes = augmentation, limit_bytes

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_options: Any) -> Iterator[Any]:
        """Yields what a function makes of each of the items, and `POSTPONED` for all after the bound is reached."""
        spent = 0
        for items in zip(*iterables, strict=True):
            if spent >= self._limit_bytes:
                yield POSTPONED
                continue
            result = fn(*items)
            if not isinstance(result, Exception):
                spent += sum(array.nbytes for array in self._augmentation.to_arrays(result).values())
            yield result
