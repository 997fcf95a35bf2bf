"""Who a call comes from, and what it takes."""

from __future__ import annotations

import contextvars
import dataclasses
from typing import Protocol

ROWS, BYTES = "rows_per_day", "bytes_per_day"
"""What quotas count: samples and records in answers; bytes of messages both ways."""


@dataclasses.dataclass(frozen=True, slots=True)
class Principal:
    """Who a token stands for.

    Attributes:
        subject: a person's or a program's name.
        tenant: whose work it is: quotas and turns go by it.
        roles: numbers of its roles, included ones too.
    """

    subject: str
    tenant: str = ""
    roles: frozenset[int] = frozenset()


class Ledger(Protocol):
    """Keeps account of what tenants take."""

    def take(self, principal: Principal, kind: str, amount: int) -> None:
        """Books an amount on the principal's tenant."""


_current: contextvars.ContextVar[tuple[Principal, Ledger | None] | None] = contextvars.ContextVar(
    "synthmill_principal", default=None
)


def act_as(principal: Principal, ledger: Ledger | None) -> None:
    """Says who the call comes from that this task answers; each call has a task of its own."""
    _current.set((principal, ledger))


def current_tenant() -> str:
    """Returns the tenant whose call this task answers; empty where no token is asked for, or it has none."""
    acting = _current.get()
    return acting[0].tenant if acting else ""


def take_rows(count: int) -> None:
    """Books rows of an answer on the tenant whose call this task answers."""
    acting = _current.get()
    if acting and acting[1]:
        acting[1].take(acting[0], ROWS, count)
