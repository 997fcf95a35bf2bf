"""Datasets that records are mixed with: memory-mapped, and kept open by version."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Mapping, Sequence
from typing import Any

import grpc.aio
import numpy as np

from synthmill.augmentation.remembering import Remembered
from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.base import Kind
from synthmill.kinds.dataset_files import LABEL, array_name, columns_of
from synthmill.kinds.registry import get_kind
from synthmill.runtime.arrays import open_array
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.names import DATASETS, parse_name
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.runtime.structs import from_struct
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, dataset_pb2

SPLIT = "train"

_DEADLINE_S = 10.0


class Pool(Sequence[Any]):
    """Records of a dataset as examples, each with its label as shares of the classes.

    Args:
        name: of the dataset version.
        augmentation: makes examples.
        arrays: columns by name, all of the same length.
        class_count: number of classes; zero if there are no labels.
    """

    def __init__(
        self, name: str, augmentation: Augmentation, arrays: Mapping[str, np.ndarray], class_count: int
    ) -> None:
        self.name, self.class_count = name, class_count
        self._augmentation = augmentation
        self._arrays = {column: array for column, array in arrays.items() if column != LABEL}
        self._labels = arrays.get(LABEL)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, without the label."""
        return tuple(self._arrays)

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values())))

    def __getitem__(self, position: Any) -> Any:
        arrays = {column: np.asarray(array[position]) for column, array in self._arrays.items()}
        if self._labels is not None:
            shares = np.zeros(self.class_count, np.float32)
            shares[self._labels[position]] = 1
            arrays[LABEL] = shares
        return self._augmentation.to_example(arrays)


def count_records(dataset: dataset_pb2.Dataset, split: str = SPLIT) -> int:
    """Returns the number of records of a split, zero if there is no such split."""
    return sum(found.record_count for found in dataset.splits if found.name == split)


def require_usable(dataset: dataset_pb2.Dataset, split: str = SPLIT) -> Kind:
    """Returns the kind of a dataset whose records can be augmented.

    Raises:
        FailedPrecondition: it has no records in the split, or not in the form that is read here.
    """
    kind = get_kind(dataset.kind)
    if not count_records(dataset, split):
        raise FailedPrecondition(f"{dataset.name} has no records in the split {split!r}", resource=dataset.name)
    names = {array_name(split, column) for column in _columns_of(kind, dataset)}
    if missing := sorted(names - {artifact.name for artifact in dataset.artifacts}):
        raise FailedPrecondition(f"{dataset.name} has no {', '.join(missing)}", resource=dataset.name)
    return kind


def open_arrays(store: ObjectStore, dataset: dataset_pb2.Dataset, split: str = SPLIT) -> dict[str, np.ndarray]:
    """Returns the columns of a split, memory-mapped, the label last if there is one.

    Raises:
        DataLoss: a file is missing or damaged.
    """
    artifacts = {artifact.name: Artifact.from_proto(artifact) for artifact in dataset.artifacts}
    return {
        column: open_array(store.local_path(artifacts[array_name(split, column)]))
        for column in _columns_of(get_kind(dataset.kind), dataset)
    }


def _columns_of(kind: Kind, dataset: dataset_pb2.Dataset) -> list[str]:
    return list(columns_of(kind, from_struct(dataset.schema), dataset.labels))


class Pools:
    """The pools that are open; belongs to one event loop.

    Args:
        catalog: channel to the catalog service.
        store: the object store.
        most: pools to keep open.
        fresh_s: how long the catalog's answer about a name is believed.
    """

    def __init__(self, catalog: grpc.aio.Channel, store: ObjectStore, most: int, fresh_s: float) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)
        self._store, self._most = store, most
        self._datasets = Remembered(self._ask, fresh_s)
        self._open: collections.OrderedDict[str, Pool] = collections.OrderedDict()

    async def get(self, name: str, kind: str, field: str) -> Pool:
        """Returns the pool that a dataset is.

        Args:
            name: "datasets/{dataset}" or "datasets/{dataset}/versions/{n}".
            kind: that its records must have.
            field: where the name comes from, for messages.

        Raises:
            InvalidField: the name is malformed, or the kind another.
            NotFound: there is no such dataset.
            FailedPrecondition: it has no records to mix with.
            DataLoss: a file is missing or damaged.
        """
        parse_name(DATASETS, field, name)
        dataset = await self._datasets.get(name, field)
        if dataset.kind != kind:
            raise InvalidField(field, f"{dataset.name}, of the kind {dataset.kind}", f"a dataset of {kind} records")
        pool = self._open.get(dataset.name)
        if pool is None:
            pool = self._open[dataset.name] = await asyncio.to_thread(self._make, dataset)
            while len(self._open) > self._most:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(dataset.name)
        return pool

    def _make(self, dataset: dataset_pb2.Dataset) -> Pool:
        augmentation = require_usable(dataset).augmentation()
        return Pool(dataset.name, augmentation, open_arrays(self._store, dataset), len(dataset.labels))

    async def _ask(self, name: str) -> dataset_pb2.Dataset:
        request = catalog_service_pb2.GetDatasetRequest(name=name)
        return await self._catalog.GetDataset(request, timeout=_DEADLINE_S)
