"""The samples of a model as an iterable dataset for torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from synthmill.client.clients import Client
from synthmill.client.epochs import Epochs
from synthmill.client.filters import Filter, to_filter
from synthmill.client.labels import to_label_plan
from synthmill.client.sampling import Labels
from synthmill.client.virtual import Sample, to_sample
from synthmill.runtime.errors import InvalidField


class SampleStream(IterableDataset):
    """A range of samples, streamed; the workers of a DataLoader share it, each streaming a run of its own.

    Every epoch has the same samples, unless `set_epoch` has it stream fresh ones.

    Args:
        client: where the services are.
        model: "models/{model}" or one of its versions; the version is fixed when the dataset is made.
        length: number of samples.
        seed: seed.
        start_index: index of the first sample.
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
        length: int,
        *,
        seed: int = 0,
        start_index: int = 0,
        labels: Labels = None,
        filter: Filter = None,
        transform: Callable[[Sample], Any] | None = None,
    ) -> None:
        if length < 1:
            raise InvalidField("length", length, "at least 1")
        self.model = client.sampling.load_model(model).model
        self._plan = client.sampling.fixed_plan(self.model.name, seed, to_label_plan(labels))
        self._client = client
        self._length = length
        self._seed = seed
        self._filter = to_filter(filter)
        self._transform = transform
        self._epochs = Epochs(start_index, length, self._plan)

    def set_epoch(self, epoch: int) -> None:
        """Has the samples be fresh ones, as `SampleDataset.set_epoch`.

        Raises:
            InvalidField: there is no such epoch; exact counts of labels have an end.
        """
        self._epochs.begin(epoch)

    def __iter__(self) -> Iterator[Any]:
        start, stop = self._share()
        if start == stop:
            return
        batches = self._client.sampling.iter_batches(
            self.model.name,
            stop - start,
            seed=self._seed,
            start_index=self._epochs.first_index + start,
            labels=self._plan,
            filter=self._filter,
        )
        for batch in batches:
            for row in range(batch.count):
                sample = to_sample(batch, row)
                yield self._transform(sample) if self._transform else sample

    def _share(self) -> tuple[int, int]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        return self._length * number // workers, self._length * (number + 1) // workers
