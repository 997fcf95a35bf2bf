"""Which epoch a dataset is in, known to the workers of a DataLoader too."""

from __future__ import annotations

import multiprocessing
from multiprocessing import context
from typing import Any

from synthmill.client.shards import INDEX_LIMIT
from synthmill.runtime.errors import InvalidField
from synthmill.v1.label_plan_pb2 import LabelPlan


class Epochs:
    """Runs of indices that follow one another, one for each epoch; the present one is in memory shared with workers.

    A worker of a DataLoader has a copy of the dataset, which it may keep from epoch to epoch. Copies made by forking or
    spawning a worker follow `begin`; any other copy goes its own way.

    Args:
        start_index: first index of epoch 0.
        length: indices in an epoch.
        plan: label plan; an epoch must not go beyond its end.
    """

    def __init__(self, start_index: int, length: int, plan: LabelPlan | None) -> None:
        self._start_index = start_index
        self._length = length
        ends = plan is not None and plan.WhichOneof("plan") == "counts"
        self._end = sum(plan.counts.counts.values()) if ends else INDEX_LIMIT
        self._present = multiprocessing.RawValue("q", 0)

    @property
    def present(self) -> int:
        """The epoch."""
        return self._present.value

    @property
    def first_index(self) -> int:
        """First index of the present epoch."""
        return self._start_index + self.present * self._length

    def begin(self, epoch: int) -> None:
        """Begins an epoch.

        Raises:
            InvalidField: there is no such epoch, as the indices or the label plan end before.
        """
        epochs = max(1, (self._end - self._start_index) // self._length)
        if not 0 <= epoch < epochs:
            allowed = f"0 to {epochs - 1}: "
            allowed += "there are no more indices" if self._end == INDEX_LIMIT else "exact counts end; weights do not"
            raise InvalidField("epoch", epoch, allowed)
        self._present.value = epoch

    def __getstate__(self) -> dict[str, Any]:
        # Only a process that is being spawned can be given shared memory.
        shared = context.get_spawning_popen() is not None
        return {**self.__dict__, "_present": self._present if shared else self.present}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._present, int):
            self._present = multiprocessing.RawValue("q", self._present)
