"""The policy that a request brings or names, checked."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import grpc.aio

from synthmill.augmentation.remembering import Remembered
from synthmill.kinds.base import Kind
from synthmill.kinds.policies.parsing import Policy
from synthmill.kinds.policy_messages import to_mapping, to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.names import POLICIES, parse_name
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, policy_pb2

DEFAULT_KIND = "image"

_WAYS = ("policy", "ready_made", "policy_name")
_DEADLINE_S = 10.0
_PARSED_POLICIES = 256


@dataclasses.dataclass(frozen=True)
class Checked:
    """A policy that was checked.

    Attributes:
        kind: of the records that it is for.
        policy: itself.
        digest: of it.
        name: policy version in the catalog; empty if it was not named.
    """

    kind: Kind
    policy: Policy
    digest: str
    name: str = ""


class Policies:
    """The policies that requests bring or name; belongs to one event loop.

    Args:
        catalog: channel to the catalog service.
        fresh_s: how long the catalog's answer about a name is believed.
    """

    def __init__(self, catalog: grpc.aio.Channel, fresh_s: float) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)
        self._versions = Remembered(self._ask, fresh_s)

    async def chosen(self, request: Any, kind: str = "", prefix: str = "") -> Checked:
        """Returns the policy of a request.

        Args:
            request: with the fields "policy", "ready_made" and "policy_name".
            kind: of the records; empty means that of the policy named, otherwise the default.
            prefix: of these fields, for messages.

        Raises:
            InvalidField: there is not exactly one of them, or the policy is not allowed for this kind.
            NotFound: there is no policy of that name.
            Unavailable: the catalog cannot be reached.
        """
        given = [way for way in _WAYS if (request.HasField(way) if way == "policy" else getattr(request, way))]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            raise InvalidField(f"{prefix}policy", told, f"exactly one of {', '.join(_WAYS)}")
        if request.policy_name:
            return await self._named(request.policy_name, kind, f"{prefix}policy_name")
        found = get_kind(kind or DEFAULT_KIND)
        if request.ready_made:
            return ready_made_policy(found, request.ready_made, f"{prefix}ready_made")
        return _checked(found, request.policy)

    async def save(self, name: str, checked: Checked) -> policy_pb2.PolicyVersion:
        """Publishes a policy in the catalog.

        Args:
            name: id of the policy to add a version to.
            checked: the version.

        Raises:
            Unavailable: the catalog cannot be reached.
        """
        policy = to_policy(checked.policy.resolved)
        version = policy_pb2.PolicyVersion(kind=checked.kind.name, policy=policy, digest=checked.digest)
        request = catalog_service_pb2.PublishPolicyRequest(policy=name, version=version)
        published = await self._catalog.PublishPolicy(request, timeout=_DEADLINE_S)
        self._versions.forget(f"{POLICIES}/{name}")
        return published

    async def _named(self, name: str, kind: str, field: str) -> Checked:
        parse_name(POLICIES, field, name)
        version = await self._versions.get(name, field)
        if kind and version.kind != kind:
            raise InvalidField(field, f"{version.name}, of the kind {version.kind}", f"a policy for {kind} records")
        return dataclasses.replace(_checked(get_kind(version.kind), version.policy), name=version.name)

    async def _ask(self, name: str) -> policy_pb2.PolicyVersion:
        return await self._catalog.GetPolicy(catalog_service_pb2.GetPolicyRequest(name=name), timeout=_DEADLINE_S)


def ready_made_policy(kind: Kind, name: str, field: str = "ready_made") -> Checked:
    """Returns a policy that comes with a kind.

    Raises:
        NotFound: there is none of that name.
    """
    ready_made = kind.augmentation().ready_made
    if name not in ready_made:
        allowed = ", ".join(ready_made)
        raise NotFound(f"{field}: there is no {name!r}, only {allowed}", field=field, value=name, allowed=allowed)
    return _ready_made(kind.name, name)


def _checked(kind: Kind, policy: policy_pb2.Policy) -> Checked:
    return _parsed(kind.name, policy.SerializeToString(deterministic=True))


# Who augments record by record sends the same policy each time.
@functools.lru_cache(_PARSED_POLICIES)
def _parsed(kind: str, serialised: bytes) -> Checked:
    return _check(get_kind(kind), to_mapping(policy_pb2.Policy.FromString(serialised)))


@functools.lru_cache(_PARSED_POLICIES)
def _ready_made(kind: str, name: str) -> Checked:
    found = get_kind(kind)
    return _check(found, found.augmentation().ready_made[name])


def _check(kind: Kind, given: Any) -> Checked:
    policy = kind.augmentation().policy(given)
    return Checked(kind, policy, policy.digest)
