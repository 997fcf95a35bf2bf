"""Policies as users give them: a mapping, a YAML file, a message, or the name of one that others have written.

Text is the path of a YAML file if it ends like one, a saved policy if it begins like one, "policies/...", and otherwise
a policy that comes with the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from synthmill.kinds.policy_messages import to_mapping, to_policy
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import policy_pb2

PolicySource = Mapping[str, Any] | str | Path | policy_pb2.Policy | policy_pb2.PolicyVersion
"""A policy: what it says, where it is written, or its name."""

_SUFFIXES = (".yaml", ".yml", ".json")
_COLLECTION = "policies/"


def policy_fields(policy: PolicySource) -> dict[str, Any]:
    """Returns the one field of a request that a policy is: "policy", "ready_made" or "policy_name".

    Raises:
        InvalidField: the policy is malformed, or its file cannot be read.
    """
    if isinstance(policy, policy_pb2.PolicyVersion):
        return {"policy_name": policy.name}
    if is_saved(policy):
        return {"policy_name": policy}
    if is_ready_made(policy):
        return {"ready_made": policy}
    return {"policy": policy if isinstance(policy, policy_pb2.Policy) else to_policy(policy_mapping(policy))}


def is_saved(policy: PolicySource) -> TypeGuard[str]:
    """Tells whether a policy is the name of a saved one, in the catalog."""
    return _is_name(policy) and policy.startswith(_COLLECTION)


def is_ready_made(policy: PolicySource) -> TypeGuard[str]:
    """Tells whether a policy is the name of one that comes with the kind."""
    return _is_name(policy) and not policy.startswith(_COLLECTION)


def policy_mapping(policy: PolicySource) -> Any:
    """Returns what a policy says that is no name, as it is written; errors as `policy_fields`."""
    if isinstance(policy, policy_pb2.PolicyVersion):
        return to_mapping(policy.policy)
    if isinstance(policy, policy_pb2.Policy):
        return to_mapping(policy)
    return read_policy(policy) if isinstance(policy, str | Path) else policy


def read_policy(path: str | Path) -> Any:
    """Returns what a YAML file says.

    Raises:
        InvalidField: it cannot be read, or is no YAML.
    """
    # The SDK is imported by many programs that never read one.
    import yaml

    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidField("policy", str(path), f"a readable YAML file ({error})") from None


def _is_name(policy: PolicySource) -> TypeGuard[str]:
    return isinstance(policy, str) and not policy.endswith(_SUFFIXES)
