"""Lets a process that has used gRPC fork, as a torch DataLoader with workers does on Linux.

gRPC's own threads are gone in the child, where every call would hang. With its fork support, blocking calls work there.
gRPC reads the variable when it is imported, so this module is imported first.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "GRPC_ENABLE_FORK_SUPPORT"

_given = os.environ.setdefault(VARIABLE, "1") if "grpc" not in sys.modules else os.environ.get(VARIABLE, "0")
_supported = _given.lower() in ("1", "true", "yes")
_first_user = 0


def note_use() -> None:
    """Notes that this process is about to use gRPC.

    Raises:
        FailedPrecondition: it is a fork of one that has, without fork support; a call would hang.
    """
    global _first_user
    _first_user = _first_user or os.getpid()
    if _first_user != os.getpid() and not _supported:
        from synthmill.runtime.errors import FailedPrecondition

        raise FailedPrecondition(
            f"this process was forked from one that had used gRPC; import synthmill.client before grpc, or set "
            f"{VARIABLE}=1 before Python starts, or start workers with the method 'spawn'"
        )
