"""A dataset for torch that is not there until it is looked at: every index is a sample of a model."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synthmill.client.batches import Batch
from synthmill.client.clients import Client
from synthmill.client.epochs import Epochs
from synthmill.client.filters import Filter, to_filter
from synthmill.client.labels import to_label_plan
from synthmill.client.sampling import Labels
from synthmill.runtime.errors import DataLoss, InvalidField

Sample = dict[str, Any]
"""One sample: an array by column name, and a number for each column of numbers."""

_BLOCK_ROWS = 256
_BLOCKS_KEPT = 8


class SampleDataset:
    """Samples of a model as a map-style dataset of any length; needs no torch itself.

    The version of the model and the label plan are fixed when the dataset is made, so that every worker of a DataLoader
    sees the same samples. Only what is asked for is generated: a batch in one call. Every epoch sees the same samples
    too, unless `set_epoch` has it read fresh ones.

    Args:
        client: where the services are.
        model: "models/{model}" or one of its versions.
        length: number of samples; None means all that a label plan with an end has.
        seed: seed.
        start_index: index of the sample that is item 0.
        labels: label plan, or its text.
        filter: which of several candidates each sample is, as in `AsyncSampling.sample`.
        transform: makes an item out of a sample, {"image": uint8 (H, W, C), "label": int}.

    Raises:
        NotFound: there is no such model.
        InvalidField: the length is not allowed.
    """

    def __init__(
        self,
        client: Client,
        model: str,
        length: int | None = None,
        *,
        seed: int = 0,
        start_index: int = 0,
        labels: Labels = None,
        filter: Filter = None,
        transform: Callable[[Sample], Any] | None = None,
    ) -> None:
        sampling = client.sampling
        self.model = sampling.load_model(model).model
        plan = sampling.fixed_plan(self.model.name, seed, to_label_plan(labels))
        if length is None:
            length = sum(sampling.count_labels(self.model.name, seed=seed, labels=plan).values())
        if length < 1:
            raise InvalidField("length", length, "at least 1")
        self._client = client
        self._length = length
        self._seed = seed
        self._plan = plan
        self._filter = to_filter(filter)
        self._transform = transform
        self._epochs = Epochs(start_index, length, plan)
        self._blocks: collections.OrderedDict[int, Batch] = collections.OrderedDict()

    def set_epoch(self, epoch: int) -> None:
        """Has the items be fresh samples: item i of epoch e is sample start_index + e * length + i.

        A generator that is asked anew each epoch teaches more than the same samples again (arXiv 2305.10118). Call it
        before a DataLoader begins the epoch; its workers follow, those that persist too.

        Raises:
            InvalidField: there is no such epoch; exact counts of labels have an end.
        """
        self._epochs.begin(epoch)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: int | slice | Sequence[int]) -> Any:
        """Returns one item, or a list of them for a slice or a sequence of indices.

        Raises:
            IndexError: there is no such item.
        """
        if isinstance(item, slice):
            return self.__getitems__(range(*item.indices(self._length)))
        if isinstance(item, Sequence | np.ndarray):
            return self.__getitems__(item)
        number, row = divmod(self._checked(item), _BLOCK_ROWS)
        return self._item(self._block(number), row)

    def __getitems__(self, items: Sequence[int]) -> list[Any]:
        """Returns several items, fetched in one call; a DataLoader asks for a batch this way."""
        indices = [self._checked(item) for item in items]
        if not indices:
            return []
        first = self._epochs.first_index
        batch = self._fetch(indices=[first + index for index in indices])
        return [self._item(batch, row) for row in range(len(indices))]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_blocks": collections.OrderedDict()}

    def _checked(self, item: int) -> int:
        index = int(item)
        if not -self._length <= index < self._length:
            raise IndexError(f"item {index} of a dataset of {self._length}")
        return index % self._length

    def _block(self, number: int) -> Batch:
        """Fetches a run of samples, or finds it among those fetched last."""
        first, count = number * _BLOCK_ROWS, min(_BLOCK_ROWS, self._length - number * _BLOCK_ROWS)
        first += self._epochs.first_index
        if first not in self._blocks:
            self._blocks[first] = self._fetch(start_index=first, count=count)
            while len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(first)
        return self._blocks[first]

    def _fetch(self, **where: Any) -> Batch:
        sampling = self._client.sampling
        how = {"seed": self._seed, "labels": self._plan, "filter": self._filter}
        batch = sampling.sample(self.model.name, **how, **where)
        if batch.model_digest != self.model.digest:
            raise DataLoss(f"{self.model.name}: samples of {batch.model_digest} came, not of {self.model.digest}")
        return batch

    def _item(self, batch: Batch, row: int) -> Any:
        sample = to_sample(batch, row)
        return self._transform(sample) if self._transform else sample


def to_sample(batch: Batch, row: int) -> Sample:
    """Returns one row of a batch; arrays are copies, which torch may take over and write to."""
    return {name: array[row].copy() if array.ndim > 1 else array[row].item() for name, array in batch.columns.items()}
