"""Policies as users give them: a mapping, a YAML file, the name of one that comes with the kind, or a message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmill.kinds.policy_messages import to_policy
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import policy_pb2

PolicySource = Mapping[str, Any] | str | Path | policy_pb2.Policy
"""A policy; text is the path of a YAML file if it ends like one, else the name of a ready-made policy."""

_SUFFIXES = (".yaml", ".yml", ".json")


def policy_fields(policy: PolicySource) -> dict[str, Any]:
    """Returns the fields "policy" or "ready_made" of a request.

    Raises:
        InvalidField: the policy is malformed, or its file cannot be read.
    """
    if isinstance(policy, policy_pb2.Policy):
        return {"policy": policy}
    if isinstance(policy, str) and not policy.endswith(_SUFFIXES):
        return {"ready_made": policy}
    return {"policy": to_policy(policy_mapping(policy))}


def policy_mapping(policy: Mapping[str, Any] | str | Path) -> Any:
    """Returns a policy that is given as a mapping or a YAML file, as it is written; errors as `policy_fields`."""
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
