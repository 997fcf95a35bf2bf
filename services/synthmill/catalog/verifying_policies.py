"""Checks that a policy version is what it says, before it is published.

What its operations are, and what they allow, only the augmentation side of a kind knows, whose libraries the catalog
does without: the augmentation service checks that, when a policy is saved and whenever one is used.
"""

from __future__ import annotations

from synthmill.catalog.tables import PolicyVersion
from synthmill.kinds.policies.parsing import policy_digest
from synthmill.kinds.policy_messages import to_mapping
from synthmill.kinds.registry import all_kinds
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import policy_pb2

MAX_POLICY_BYTES = 1 << 20
"""Size of the message of a policy; one that has as many steps as a policy may have takes a fifth of it."""


def verify_policy(version: policy_pb2.PolicyVersion) -> PolicyVersion:
    """Checks a version as its maker describes it and returns its row.

    Raises:
        InvalidField: the kind has no policies, the policy is malformed or too large, or the digest is another one's.
    """
    kinds = sorted(kind.name for kind in all_kinds().values() if kind.augmentation_module)
    if version.kind not in kinds:
        raise InvalidField("version.kind", version.kind, "one of " + ", ".join(kinds))
    if not version.HasField("policy"):
        raise InvalidField("version.policy", "nothing", "a policy")
    if version.policy.ByteSize() > MAX_POLICY_BYTES:
        raise InvalidField("version.policy", f"{version.policy.ByteSize()} bytes", f"at most {MAX_POLICY_BYTES} bytes")
    policy = to_mapping(version.policy)
    try:
        digest = policy_digest(policy)
    except ValueError:
        raise InvalidField("version.policy", "a number that is not finite", "finite numbers") from None
    if version.digest != digest:
        raise InvalidField("version.digest", version.digest, f"{digest}, the digest of the policy")
    return PolicyVersion(kind=version.kind, policy=policy, digest=digest)
