"""What probes learn from: endless streams of records, real, made or changed, any stretch of which can be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.base import Columns, Kind, Schema
from synthmill.kinds.policies.parsing import Policy
from synthmill.learning.data import Order, count_records, load
from synthmill.learning.probing import Supply
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import InvalidField

# An engine decides about all records of a call together, which costs it about as much for one as for hundreds.
_AHEAD = 1024


class Joined:
    """Several sets of records as one: rows count through all of them.

    Args:
        sets: the sets, with labels; all have the same columns.
    """

    def __init__(self, *sets: Columns) -> None:
        self._sets = sets
        self._ends = np.cumsum([count_records(columns) for columns in sets])
        self.label = np.concatenate([np.asarray(columns[LABEL]) for columns in sets])

    def __len__(self) -> int:
        return len(self.label)

    def load(self, rows: np.ndarray) -> Columns:
        """Copies records, in the order of `rows`."""
        owner = np.searchsorted(self._ends, rows, side="right")
        starts = np.concatenate([[0], self._ends])
        joined: Columns = {}
        for number in np.unique(owner):
            here = owner == number
            for name, array in load(self._sets[number], rows[here] - starts[number]).items():
                whole = joined.setdefault(name, np.empty((len(rows), *array.shape[1:]), array.dtype))
                whole[here] = array
        return joined


class Mixed:
    """Records of several sets as they are, in an order.

    Args:
        records: the sets.
        order: which row is where in the stream.
    """

    def __init__(self, records: Joined, order: Order) -> None:
        self._records, self._order = records, order

    def take(self, start: int, count: int) -> Columns:
        """Returns the records at positions start to start + count, with their labels."""
        return self._records.load(self._order.take(start, count))


class Augmented:
    """Another supply's records, each changed anew by a policy whenever it comes; labels are shares of the classes.

    Args:
        source: what is changed.
        kind: of the records.
        schema: of the records, before and after.
        policy: what is done to them.
        pool: records that others are mixed with, if the policy does that.
        label_count: number of classes.
        seed: of what the policy draws.
    """

    def __init__(
        self,
        source: Supply,
        kind: Kind,
        schema: Schema,
        policy: Policy,
        pool: Joined,
        label_count: int,
        seed: int,
    ) -> None:
        self._source, self._seed, self._label_count = source, seed, label_count
        self._kind, self._schema = kind, schema
        self._side = kind.augmentation()
        self._engine = self._side.open(policy, _Pool(pool, self._side, label_count), class_count=label_count)
        self._block: tuple[int, Columns] | None = None

    def take(self, start: int, count: int) -> Columns:
        """Returns the records at positions start to start + count, with shares of the classes as labels."""
        parts = []
        while count:
            number, offset = divmod(start, _AHEAD)
            length = min(count, _AHEAD - offset)
            parts.append({name: array[offset : offset + length] for name, array in self._read(number).items()})
            start, count = start + length, count - length
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _read(self, number: int) -> Columns:
        if self._block is None or self._block[0] != number:
            self._block = (number, self._augment(number * _AHEAD))
        return self._block[1]

    def _augment(self, start: int) -> Columns:
        examples = _to_examples(self._side, self._source.take(start, _AHEAD), self._label_count)
        # The index is the place in the stream: a record that comes again is changed in another way.
        changed = self._engine.augment(examples, range(start, start + _AHEAD), self._seed)
        records = [self._side.to_arrays(example) for example in changed]
        expected = {**self._kind.columns(self._schema), LABEL: (np.dtype(np.float32), (self._label_count,))}
        for record in records:
            for name, (dtype, shape) in expected.items():
                if (record[name].dtype, record[name].shape) != (dtype, shape):
                    found = f"one that makes {name} {record[name].dtype} {list(record[name].shape)}"
                    raise InvalidField("policy", found, f"one that leaves it {dtype} {list(shape)}")
        return {name: np.stack([record[name] for record in records]) for name in expected}


class _Pool(Sequence[Any]):
    """Records as examples, made when they are asked for."""

    def __init__(self, records: Joined, side: Augmentation, label_count: int) -> None:
        self._records, self._side, self._label_count = records, side, label_count

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, position: Any) -> Any:
        return _to_examples(self._side, self._records.load(np.array([position])), self._label_count)[0]


def _to_examples(side: Augmentation, columns: Columns, label_count: int) -> list[Any]:
    given = {**columns, LABEL: np.eye(label_count, dtype=np.float32)[columns[LABEL]]}
    return [
        side.to_example({name: array[row] for name, array in given.items()}) for row in range(count_records(columns))
    ]
