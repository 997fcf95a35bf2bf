"""What a hostile file is, and how a refusal of it reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Case:
    """A file that somebody may send to do harm.

    Attributes:
        file_name: its ending tells the form.
        make: returns its bytes.
        told: a part of the message that refuses it.
        reason: of the error, as in `ErrorReason` without its prefix.
        memory_mb: what no process takes more of, in MiB, while it is refused.
    """

    file_name: str
    make: Callable[[], bytes]
    told: str
    reason: str = "BAD_DATA"
    memory_mb: int = 400
