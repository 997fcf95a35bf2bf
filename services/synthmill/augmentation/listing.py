"""Operations and ready-made policies, as clients are told of them."""

from __future__ import annotations

import inspect

from google.protobuf import json_format, struct_pb2

from synthmill.augmentation.policies import Checked, ready_made_policy
from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.base import Kind
from synthmill.kinds.parameters import Description, describe
from synthmill.kinds.policies.parsing import Described
from synthmill.kinds.policy_messages import to_policy, to_step
from synthmill.kinds.registry import all_kinds
from synthmill.runtime.errors import NotFound
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import training_service_pb2

_TYPES = {"str": "string", "tuple": "range"}


def kinds_that_augment(name: str) -> list[Kind]:
    """Returns the kind of a name, or all that have an augmentation side for none.

    Raises:
        NotFound: there is no such kind.
    """
    kinds = {found.name: found for found in all_kinds().values() if found.augmentation_module}
    if name and name not in kinds:
        raise NotFound(f"kind: there is no {name!r}, only {', '.join(sorted(kinds))}", field="kind", value=name)
    return [kinds[name]] if name else [kinds[found] for found in sorted(kinds)]


def list_operations(kind: Kind) -> list[pb.Operation]:
    """Returns the operations of a kind in the order in which users are shown them."""
    augmentation = kind.augmentation()
    return [_to_operation(kind, augmentation, name, found) for name, found in augmentation.operations.items()]


def list_ready_made(kind: Kind) -> list[pb.ReadyMadePolicy]:
    """Returns the policies that come with a kind."""
    names = kind.augmentation().ready_made
    return [_to_ready_made(kind, name, ready_made_policy(kind, name)) for name in names]


def to_resolved(checked: Checked) -> pb.ResolvePolicyResponse:
    """Makes the answer that is a policy with every default written out."""
    policy = to_policy(checked.policy.resolved)
    return pb.ResolvePolicyResponse(policy=policy, digest=checked.digest, policy_name=checked.name)


def _to_ready_made(kind: Kind, name: str, checked: Checked) -> pb.ReadyMadePolicy:
    policy = to_policy(checked.policy.resolved)
    return pb.ReadyMadePolicy(kind=kind.name, name=name, policy=policy, digest=checked.digest)


def _to_operation(kind: Kind, augmentation: Augmentation, name: str, operation: Described) -> pb.Operation:
    [example] = augmentation.policy({"steps": [{"op": name}]}).resolved["steps"]
    return pb.Operation(
        kind=kind.name,
        name=name,
        group=operation.group,
        description=(inspect.getdoc(operation) or "").partition("\n\n")[0].replace("\n", " "),
        parameters=map(_to_parameter, describe(operation.parameters)),
        partners=operation.partners,
        example=to_step(example),
    )


def _to_parameter(described: Description) -> training_service_pb2.Parameter:
    default = list(described.default) if isinstance(described.default, tuple) else described.default
    return training_service_pb2.Parameter(
        name=described.name,
        type=_TYPES.get(described.type, described.type),
        default_value=json_format.ParseDict(default, struct_pb2.Value()),
        allowed=described.allowed,
        description=described.description,
    )
