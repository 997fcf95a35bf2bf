"""How much a tenant may take in a day."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from synthmill.runtime.errors import InvalidField, PermissionDenied, QuotaExceeded
from synthmill.runtime.security.files import read_yaml
from synthmill.runtime.security.principals import BYTES, ROWS, Principal
from synthmill.runtime.watched import Watched

KINDS = (ROWS, BYTES)

_DAY_S = 86_400.0


class Allowance:
    """A day's worth of something, which comes back bit by bit: a token bucket that a whole day fills.

    What is taken may exceed what is left, so that a message is never cut; nothing more is given until that is made up.

    Args:
        kind: one of `KINDS`.
        per_day: how much.
    """

    def __init__(self, kind: str, per_day: int) -> None:
        self._kind = kind
        self.per_day = per_day
        self._left = float(per_day)
        self._at = time.monotonic()

    def take(self, amount: int) -> None:
        """Books an amount."""
        self._left -= amount

    def require(self, tenant: str) -> None:
        """Asks whether anything is left.

        Raises:
            QuotaExceeded: nothing is.
        """
        now = time.monotonic()
        self._left = min(float(self.per_day), self._left + (now - self._at) / _DAY_S * self.per_day)
        self._at = now
        if self._left < 1:
            retry_after_s = (1 - self._left) / self.per_day * _DAY_S
            message = f"tenant {tenant!r} has taken its {self.per_day:,} {self._kind.replace('_', ' ')}"
            raise QuotaExceeded(message, retry_after_s=retry_after_s, tenant=tenant, quota=self._kind)


class Quotas:
    """The tenants that a service works for, and what each may take in a day, in this process.

    The file is YAML: a mapping from tenant to a mapping with `rows_per_day`, `bytes_per_day`, both or none of them. It
    is read again when it changes.

    Args:
        path: the file.

    Raises:
        InvalidField: it cannot be read, or an entry is wrong.
    """

    def __init__(self, path: str) -> None:
        self._limits = Watched([path], lambda: _limits(path))
        self._allowances: dict[tuple[str, str], Allowance] = {}

    def admit(self, principal: Principal) -> None:
        """Lets a call begin, or a stream go on.

        Raises:
            PermissionDenied: the tenant is not one of those here.
            QuotaExceeded: nothing is left for it.
        """
        if principal.tenant not in self._limits.get():
            raise PermissionDenied(f"tenant {principal.tenant!r} is not served here", tenant=principal.tenant)
        for kind in KINDS:
            allowance = self._allowance(principal.tenant, kind)
            if allowance is not None:
                allowance.require(principal.tenant)

    def take(self, principal: Principal, kind: str, amount: int) -> None:
        """Books an amount on a tenant, whether or not it is left."""
        allowance = self._allowance(principal.tenant, kind)
        if allowance is not None:
            allowance.take(amount)

    def _allowance(self, tenant: str, kind: str) -> Allowance | None:
        per_day = self._limits.get().get(tenant, {}).get(kind)
        if per_day is None:
            return None
        found = self._allowances.get((tenant, kind))
        if found is None or found.per_day != per_day:
            found = self._allowances[tenant, kind] = Allowance(kind, per_day)
        return found


def _limits(path: str) -> dict[str, dict[str, int]]:
    content = read_yaml("quotas", path) or {}
    if not isinstance(content, dict):
        raise InvalidField("quotas", path, "a mapping of tenants")
    return {str(tenant): _limits_of(f"{path}: {tenant}", limits) for tenant, limits in content.items()}


def _limits_of(place: str, limits: Any) -> dict[str, int]:
    limits = {} if limits is None else limits
    if not isinstance(limits, Mapping) or not limits.keys() <= set(KINDS):
        raise InvalidField(place, limits, "a mapping of " + ", ".join(KINDS))
    for kind, per_day in limits.items():
        if type(per_day) is not int or per_day < 1:
            raise InvalidField(f"{place}.{kind}", per_day, "an integer of at least 1")
    return dict(limits)
