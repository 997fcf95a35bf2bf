"""Makes the results of a job, in order and side by side, a bounded number of them in memory."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from synthmill.augmentation.planning import Plan
from synthmill.augmentation.pools import Pool
from synthmill.kinds.augmentation import Augmentation, Augmenter
from synthmill.kinds.base import Columns
from synthmill.runtime.errors import FailedPrecondition, InvalidField

_BATCH_RECORDS = 256
_BATCH_BYTES = 4 << 20


class Maker:
    """Makes the results of a plan.

    Args:
        augmentation: of the kind.
        augmenter: applies the policy.
        source: the records.
        plan: which results to make.
        seed: of everything drawn.
    """

    def __init__(self, augmentation: Augmentation, augmenter: Augmenter, source: Pool, plan: Plan, seed: int) -> None:
        self._augmentation, self._augmenter, self._source = augmentation, augmenter, source
        self._plan, self._seed = plan, seed

    def first(self) -> Columns:
        """Returns the first result, whose form all others must have (no batch axis)."""
        return {name: array[0] for name, array in self._make(range(1), None).items()}

    def batches(self, start: int, threads: int) -> Iterator[Columns]:
        """Yields results from a position on.

        Raises:
            FailedPrecondition: a result has another form than the first one.
            InvalidField: a record cannot be augmented.
        """
        first = self.first()
        size = max(1, min(_BATCH_RECORDS, _BATCH_BYTES // max(1, sum(array.nbytes for array in first.values()))))
        left = (range(at, min(at + size, len(self._plan))) for at in range(start, len(self._plan), size))
        with ThreadPoolExecutor(threads, thread_name_prefix="augment") as pool:
            waiting: deque[Future[Columns]] = deque()
            try:
                # One ahead for each thread, and one while another is being written.
                for rows in itertools.islice(left, threads + 1):
                    waiting.append(pool.submit(self._make, rows, first))
                while waiting:
                    yield waiting.popleft().result()
                    waiting.extend(pool.submit(self._make, rows, first) for rows in itertools.islice(left, 1))
            finally:
                for future in waiting:
                    future.cancel()

    def _make(self, rows: range, first: Columns | None) -> Columns:
        part = slice(rows.start, rows.stop)
        sources, indices = self._plan.sources[part].tolist(), self._plan.indices[part].tolist()
        examples = [self._source[position] for position in sources]
        results = []
        for row, example in enumerate(self._augmenter.attempt(examples, indices, self._seed)):
            if isinstance(example, Exception):
                raise _told(example, sources[row], indices[row])
            arrays = self._augmentation.to_arrays(example)
            result = {name: arrays[name] for name in self._source.columns}
            _require_alike(result, first or result)
            results.append(result)
        return {name: np.stack([result[name] for result in results]) for name in self._source.columns}


def _require_alike(result: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> None:
    for name, array in result.items():
        if array.shape != first[name].shape:
            raise FailedPrecondition(
                f"policy: results differ in size: {name} is {list(array.shape)}, that of the first one "
                f"{list(first[name].shape)}, and the records of a dataset have one: add a step at the end that gives "
                "them one, such as resize or crop",
                field="policy",
                value=list(array.shape),
                allowed=list(first[name].shape),
            )


def _told(error: Exception, source: int, index: int) -> Exception:
    if not isinstance(error, InvalidField):
        return error
    metadata = dict(error.metadata)
    return InvalidField(
        metadata.pop("field"), metadata.pop("value"), metadata.pop("allowed"), record=source, index=index, **metadata
    )
