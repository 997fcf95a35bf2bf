"""Goes on asking a service that is away for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from synthmill.runtime.errors import DeadlineExceeded, Unavailable

T = TypeVar("T")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


def ask_patiently(ask: Callable[[], T], patience_s: float, check: Callable[[], None]) -> T:
    """Returns an answer, asking again while the service cannot be reached.

    Args:
        ask: a call that may be repeated.
        patience_s: how long to go on, in seconds.
        check: called before every attempt; raises to stop.

    Raises:
        Unavailable: it could not be reached for so long.
        DeadlineExceeded: nor did it answer in time.
    """
    give_up, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        check()
        try:
            return ask()
        except (Unavailable, DeadlineExceeded) as error:
            if time.monotonic() + pause_s > give_up:
                raise
            logger.warning("waiting for the catalog: %s", error)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
