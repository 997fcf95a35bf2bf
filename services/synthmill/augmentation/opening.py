"""What a request wants done to records, checked and ready to be done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.augmentation.lent import LentMemory
from synthmill.augmentation.policies import Policies
from synthmill.augmentation.pools import Pools
from synthmill.augmentation.results import Frugal
from synthmill.kinds.augmentation import Augmentation, Augmenter
from synthmill.kinds.base import Kind
from synthmill.kinds.registry import all_kinds, get_kind
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import augmentation_service_pb2 as pb

MAX_CLASSES = 10_000


def open_devices(wanted: str) -> dict[str, Any]:
    """Returns what does a part of the work beside the processor, by kind.

    Args:
        wanted: "cpu", "cuda", or "auto", which is CUDA where there is one.

    Raises:
        FailedPrecondition: CUDA is wanted, and does not start.
    """
    kinds = [kind for kind in all_kinds().values() if kind.augmentation_module]
    return {kind.name: kind.augmentation().open_device(wanted) for kind in kinds}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What makes the augmenter of a task once more, in another process.

    Attributes:
        kind: name of the kind of the records.
        policy: with every default written out.
        class_count: length that every label must have; None allows any.
        result_bytes: what the results of one batch may take before the rest is left for another.
    """

    kind: str
    policy: dict[str, Any]
    class_count: int | None
    result_bytes: int

    def open(self) -> tuple[Kind, Augmentation, Augmenter]:
        """Returns the kind, its augmentation side, and the augmenter."""
        kind = get_kind(self.kind)
        side = kind.augmentation()
        policy, frugal = side.policy(self.policy), Frugal(side, self.result_bytes)
        return kind, side, side.open(policy, None, frugal, self.class_count, None)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be done to records.

    Attributes:
        kind: of the records.
        augmentation: its augmentation side.
        augmenter: does it.
        seed: of everything drawn.
        policy_digest: of the policy.
        pool: dataset version that records are mixed with; empty if there is none.
        policy_name: policy version in the catalog; empty if the policy was not named.
        recipe: of the augmenter; None if another process cannot make it, with a pool or a device.
        memory: that the caller lends; None if there is none.
    """

    kind: Kind
    augmentation: Augmentation
    augmenter: Augmenter
    seed: int
    policy_digest: str
    pool: str = ""
    policy_name: str = ""
    recipe: Recipe | None = None
    memory: LentMemory | None = None


async def open_task(
    spec: pb.AugmentationSpec, policies: Policies, pools: Pools, devices: Mapping[str, Any], result_bytes: int
) -> Task:
    """Makes a spec ready to be done.

    Args:
        spec: as it was sent.
        policies: finds the policy.
        pools: finds the dataset to mix with.
        devices: what does a part of the work beside the processor, by kind.
        result_bytes: what the results of one batch may take before the rest is left for another.

    Raises:
        InvalidField: the kind, the policy or the number of classes is not allowed.
        NotFound: there is no such policy or dataset.
        FailedPrecondition: the policy mixes records, and there is no pool.
    """
    checked = await policies.chosen(spec, spec.kind, "spec.")
    kind, augmentation = checked.kind, checked.kind.augmentation()
    if not 0 <= spec.class_count <= MAX_CLASSES:
        raise InvalidField("spec.class_count", spec.class_count, f"0 to {MAX_CLASSES}")
    class_count, pool = spec.class_count, None
    if spec.pool:
        pool = await pools.get(spec.pool, kind.name, "spec.pool")
        if class_count and pool.class_count and class_count != pool.class_count:
            raise InvalidField("spec.class_count", class_count, f"{pool.class_count}, the number of the pool's classes")
        class_count = class_count or pool.class_count
    frugal, device = Frugal(augmentation, result_bytes), devices.get(kind.name)
    augmenter = augmentation.open(checked.policy, pool, frugal, class_count or None, device)
    recipe = Recipe(kind.name, dict(checked.policy.resolved), class_count or None, result_bytes)
    return Task(
        kind,
        augmentation,
        augmenter,
        spec.seed,
        checked.digest,
        pool=pool.name if pool is not None else "",
        policy_name=checked.name,
        recipe=recipe if pool is None and device is None else None,
    )
