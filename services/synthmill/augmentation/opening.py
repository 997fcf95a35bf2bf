"""What a request wants done to records, checked and ready to be done."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from synthmill.augmentation.pools import Pools
from synthmill.augmentation.results import Frugal
from synthmill.kinds.augmentation import Augmentation, Augmenter
from synthmill.kinds.base import Kind
from synthmill.kinds.policies.parsing import Policy
from synthmill.kinds.policy_messages import to_mapping
from synthmill.kinds.registry import all_kinds, get_kind
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import policy_pb2

DEFAULT_KIND = "image"
MAX_CLASSES = 10_000

_PARSED_POLICIES = 256


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
class Checked:
    """A policy that was checked, and its digest."""

    policy: Policy
    digest: str


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
    """

    kind: Kind
    augmentation: Augmentation
    augmenter: Augmenter
    seed: int
    policy_digest: str
    pool: str = ""


async def open_task(spec: pb.AugmentationSpec, pools: Pools, devices: Mapping[str, Any], result_bytes: int) -> Task:
    """Makes a spec ready to be done.

    Args:
        spec: as it was sent.
        pools: finds the dataset to mix with.
        devices: what does a part of the work beside the processor, by kind.
        result_bytes: what the results of one batch may take before the rest is left for another.

    Raises:
        InvalidField: the kind, the policy or the number of classes is not allowed.
        NotFound: there is no such ready-made policy or dataset.
        FailedPrecondition: the policy mixes records, and there is no pool.
    """
    kind = get_kind(spec.kind or DEFAULT_KIND)
    augmentation = kind.augmentation()
    checked = chosen_policy(kind, spec, "spec.")
    if not 0 <= spec.class_count <= MAX_CLASSES:
        raise InvalidField("spec.class_count", spec.class_count, f"0 to {MAX_CLASSES}")
    class_count, pool = spec.class_count, None
    if spec.pool:
        pool = await pools.get(spec.pool, kind.name)
        if class_count and pool.class_count and class_count != pool.class_count:
            raise InvalidField("spec.class_count", class_count, f"{pool.class_count}, the number of the pool's classes")
        class_count = class_count or pool.class_count
    frugal, device = Frugal(augmentation, result_bytes), devices.get(kind.name)
    augmenter = augmentation.open(checked.policy, pool, frugal, class_count or None, device)
    return Task(kind, augmentation, augmenter, spec.seed, checked.digest, pool.name if pool is not None else "")


def chosen_policy(kind: Kind, request: Any, prefix: str = "") -> Checked:
    """Returns the policy that a request brings, or names.

    Args:
        kind: of the records.
        request: with the fields "policy" and "ready_made".
        prefix: of these fields, for messages.

    Raises:
        InvalidField: there are both or neither, or the policy is not allowed.
        NotFound: no policy of that name comes with the kind.
    """
    if request.HasField("policy") == bool(request.ready_made):
        given = "both" if request.ready_made else "neither"
        raise InvalidField(f"{prefix}policy", given, "either a policy or the name of a ready-made one")
    if request.ready_made:
        return ready_made_policy(kind, request.ready_made, f"{prefix}ready_made")
    return parse(kind, request.policy)


def parse(kind: Kind, policy: policy_pb2.Policy) -> Checked:
    """Checks the message of a policy; errors as `chosen_policy`."""
    return _parse(kind.name, policy.SerializeToString(deterministic=True))


def ready_made_policy(kind: Kind, name: str, field: str = "ready_made") -> Checked:
    """Returns a policy that comes with a kind; errors as `chosen_policy`."""
    ready_made = kind.augmentation().ready_made
    if name not in ready_made:
        allowed = ", ".join(ready_made)
        raise NotFound(f"{field}: there is no {name!r}, only {allowed}", field=field, value=name, allowed=allowed)
    return _ready_made(kind.name, name)


# Who augments record by record sends the same policy each time.
@functools.lru_cache(_PARSED_POLICIES)
def _parse(kind: str, serialised: bytes) -> Checked:
    policy = get_kind(kind).augmentation().policy(to_mapping(policy_pb2.Policy.FromString(serialised)))
    return Checked(policy, policy.digest)


@functools.lru_cache(_PARSED_POLICIES)
def _ready_made(kind: str, name: str) -> Checked:
    augmentation = get_kind(kind).augmentation()
    policy = augmentation.policy(augmentation.ready_made[name])
    return Checked(policy, policy.digest)
