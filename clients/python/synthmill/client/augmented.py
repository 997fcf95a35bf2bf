"""A dataset for torch whose items are augmented when they are looked at, over the wire or in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from synthmill.client.clients import Client
from synthmill.client.policies import PolicySource, is_ready_made, is_saved, policy_mapping
from synthmill.kinds.augmentation import Augmenter
from synthmill.kinds.base import Kind
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound

Item = Mapping[str, Any]
"""A record: arrays by name, which are augmented, and anything else, which is left as it is."""


class Source(Protocol):
    """What has a length and is read by position, as a map-style dataset of torch."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Item: ...


class AugmentedDataset:
    """Items of another dataset, augmented; map-style, and needs no torch itself.

    Item i of an epoch is a function of the item, i, the epoch, the policy and the seed alone, and the same with a
    client as without one. An array of an item is augmented under its name, "image", "mask", "boxes" and so on; what is
    no array, such as a class number under "label", passes through.

    Args:
        source: items as mappings.
        policy: a mapping, the path of a YAML file, or the name of a ready-made policy. With a client also the name of a
            saved one, of the version that is the newest when this is made; without one, what
            `client.catalog.get_policy` has returned.
        client: augments over the wire; without one, this process does it, for which the extra `augmentation` must be
            installed.
        seed: seed.
        kind: of the records.
        pool: dataset that records are mixed with; only with a client.
        transform: makes an item out of an augmented one.

    Raises:
        InvalidField: the policy is not allowed.
        NotFound: there is no policy of that name.
        FailedPrecondition: there is no client, and something is missing that augments in this process.
    """

    def __init__(
        self,
        source: Source,
        policy: PolicySource,
        *,
        client: Client | None = None,
        seed: int = 0,
        kind: str = "image",
        pool: str = "",
        transform: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        if pool and client is None:
            raise InvalidField("pool", pool, "none without a client")
        if is_saved(policy):
            if client is None:
                raise InvalidField("policy", policy, "without a client, what client.catalog.get_policy returned for it")
            policy = client.augmentation.resolve_policy(policy, kind=kind).policy_name
        self._source, self._policy, self._client = source, policy, client
        self._seed, self._kind, self._pool, self._transform = seed, kind, pool, transform
        self._epoch = 0
        self._augmenter: Augmenter | None = None
        if client is None:
            self._augmenter = self._open()

    def set_epoch(self, epoch: int) -> None:
        """Has every item augmented anew, as in no other epoch."""
        if epoch < 0:
            raise InvalidField("epoch", epoch, "at least 0")
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, item: int) -> Any:
        """Returns one item.

        Raises:
            IndexError: there is no such item.
        """
        [result] = self.__getitems__([item])
        return result

    def __getitems__(self, items: Sequence[int]) -> list[Any]:
        """Returns several items; a DataLoader asks for a batch this way."""
        length = len(self)
        for item in items:
            if not -length <= item < length:
                raise IndexError(f"item {item} of a dataset of {length}")
        positions = [int(item) % length for item in items]
        found = [dict(self._source[position]) for position in positions]
        given = [{name: value for name, value in item.items() if isinstance(value, np.ndarray)} for item in found]
        results = self._augment(given, [self._epoch * length + position for position in positions])
        # Copies, which torch may take over and write to.
        done = [
            {**item, **{name: array.copy() for name, array in arrays.items()}}
            for item, arrays in zip(found, results, strict=True)
        ]
        return [self._transform(item) for item in done] if self._transform else done

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_augmenter": None}

    def _augment(self, records: list[dict[str, np.ndarray]], indices: list[int]) -> list[dict[str, np.ndarray]]:
        if self._client is not None:
            augment = self._client.augmentation.augment_records
            how = {"seed": self._seed, "kind": self._kind, "pool": self._pool}
            return [done.arrays for done in augment(records, self._policy, indices=indices, **how)]
        # A worker of a DataLoader opens its own.
        self._augmenter = self._augmenter or self._open()
        side = get_kind(self._kind).augmentation()
        examples = [side.to_example(record) for record in records]
        return [side.to_arrays(done) for done in self._augmenter.augment(examples, indices, self._seed)]

    def _open(self) -> Augmenter:
        side, policy = _side_of(get_kind(self._kind)), self._policy
        if not is_ready_made(policy):
            return side.open(side.policy(policy_mapping(policy)))
        if policy not in side.ready_made:
            raise NotFound(f"policy: there is no {policy!r}, only {', '.join(side.ready_made)}", field="policy")
        return side.open(side.policy(side.ready_made[policy]))


def _side_of(kind: Kind) -> Any:
    try:
        return kind.augmentation()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("synthmill"):
            raise
        raise FailedPrecondition(
            f"to augment in this process needs {error.name}, which is not installed: "
            "pip install 'synthmill[augmentation]', or give a client",
            package=error.name,
        ) from None
