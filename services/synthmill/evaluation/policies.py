"""The classic augmentation that samples are compared with: as a request brings or names it, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.base import Kind
from synthmill.kinds.policies.parsing import Policy
from synthmill.kinds.policy_messages import to_mapping
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.names import POLICIES, parse_name
from synthmill.v1 import evaluation_service_pb2 as pb
from synthmill.v1 import policy_pb2

DEFAULT = "light"

_SHOWN_DIGITS = 12

GetPolicy = Callable[[str], Awaitable[policy_pb2.PolicyVersion]]
"""Returns a policy version of the catalog by its name."""


@dataclasses.dataclass(frozen=True)
class Classic:
    """Classic augmentation.

    Attributes:
        name: for people: of a ready-made policy, of a version in the catalog, or the first digits of its digest.
        policy: with every default written out; empty if records of the kind cannot be augmented.
        digest: of the policy; empty with it.
    """

    name: str = ""
    policy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    digest: str = ""


async def choose_classic(kind: Kind, request: pb.CreateEvaluationJobRequest, get_policy: GetPolicy) -> Classic:
    """Returns the classic augmentation that a request brings or names, or else the default.

    Args:
        kind: of the records.
        request: what is asked for.
        get_policy: asks the catalog.

    Raises:
        InvalidField: there are several, or one is not allowed.
        NotFound: there is none of that name.
        FailedPrecondition: there is one, and records of the kind cannot be augmented.
    """
    given = [name for name in ("ready_made", "policy_name") if getattr(request, name)]
    given += ["policy"] if request.HasField("policy") else []
    if len(given) > 1:
        raise InvalidField(given[1], " and ".join(given), "one of policy, ready_made and policy_name, or none")
    if not given and not kind.augmentation_module:
        return Classic()
    augmentation = kind.augmentation()
    if request.HasField("policy"):
        policy = augmentation.policy(to_mapping(request.policy))
        return _classic(policy, policy.digest[:_SHOWN_DIGITS])
    if not request.policy_name:
        name = request.ready_made or DEFAULT
        return _classic(augmentation.policy(_ready_made(augmentation, name)), name)
    parse_name(POLICIES, "policy_name", request.policy_name)
    version = await get_policy(request.policy_name)
    if version.kind != kind.name:
        raise InvalidField("policy_name", f"{version.name}, for {version.kind} records", f"one for {kind.name} records")
    return _classic(augmentation.policy(to_mapping(version.policy)), version.name)


def _ready_made(augmentation: Augmentation, name: str) -> Mapping[str, Any]:
    if name not in augmentation.ready_made:
        allowed = ", ".join(augmentation.ready_made)
        raise NotFound(f"ready_made: there is no {name!r}, only {allowed}", field="ready_made", value=name)
    return augmentation.ready_made[name]


def _classic(policy: Policy, name: str) -> Classic:
    return Classic(name, policy.resolved, policy.digest)
