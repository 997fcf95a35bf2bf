"""Which role a method asks for, as its proto says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import Default

from synthmill.runtime.errors import InvalidField
from synthmill.v1 import access_pb2
from synthmill.v1.access_pb2 import ROLE_ADMIN, ROLE_READER, ROLE_REVIEWER, ROLE_SAMPLER, ROLE_TRAINER

_INCLUDED = {
    ROLE_READER: (),
    ROLE_SAMPLER: (ROLE_READER,),
    ROLE_TRAINER: (ROLE_READER, ROLE_SAMPLER),
    ROLE_REVIEWER: (ROLE_READER, ROLE_SAMPLER),
    ROLE_ADMIN: (ROLE_READER, ROLE_SAMPLER, ROLE_TRAINER, ROLE_REVIEWER),
}

ROLES = {access_pb2.Role.Name(role).removeprefix("ROLE_").lower(): role for role in _INCLUDED}
"""The roles by the names that tokens have for them, the least first."""


@dataclasses.dataclass(frozen=True)
class Access:
    """What a method asks of its callers.

    Attributes:
        roles: a caller needs one of them; of none, nobody has it.
        changes: whether it changes something.
    """

    roles: frozenset[int]
    changes: bool

    @classmethod
    def of(cls, method: MethodDescriptor) -> Access:
        """Reads a method's options."""
        options = method.GetOptions()
        changes = options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS
        return cls(frozenset(options.Extensions[access_pb2.roles]), changes)

    def lets_in(self, names: Iterable[str]) -> bool:
        """Tells whether somebody with some roles, by name, may call."""
        return bool(with_included(names) & self.roles)


READING = Access(frozenset([ROLE_READER]), changes=False)
"""Of methods that are not ours to describe and only tell what there is."""

_NOBODY = Access(frozenset(), changes=True)


def access_to(service: str, method: str) -> Access:
    """Returns what a method asks for; one that no proto describes lets nobody in.

    Args:
        service: full name of the service in the protos.
        method: the method's own name.
    """
    try:
        return Access.of(Default().FindServiceByName(service).methods_by_name[method])
    except KeyError:
        return _NOBODY


def with_included(names: Iterable[str]) -> frozenset[int]:
    """Returns roles by name together with those that they include.

    Raises:
        InvalidField: there is no such role.
    """
    found: set[int] = set()
    for name in names:
        if name not in ROLES:
            raise InvalidField("roles", name, "any of " + ", ".join(ROLES))
        found |= {ROLES[name], *_INCLUDED[ROLES[name]]}
    return frozenset(found)
