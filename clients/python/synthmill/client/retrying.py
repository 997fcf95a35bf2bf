"""How often, and after which pause, a broken stream is taken up again."""

from __future__ import annotations

import dataclasses
import random

from synthmill.runtime.errors import Cancelled, DeadlineExceeded, Overloaded, SynthmillError, Unavailable

# A server that is being stopped cancels its streams.
BROKEN = (Unavailable, Cancelled, DeadlineExceeded, Overloaded)
"""Errors after which a stream can be taken up where it ended."""


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """Bounds on taking up a stream.

    Attributes:
        max_tries: tries in a row that bring nothing new before the last error is raised.
        first_pause_s: pause before the first of them, in seconds; each further pause is twice as long.
        longest_pause_s: longest pause, in seconds.
    """

    max_tries: int = 10
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0


class Tries:
    """Counts the tries of one stream."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failed = 0
        self._moved = False

    def progress(self) -> None:
        """Notes that something new has come."""
        self._failed = 0
        self._moved = True

    def pause_s(self, error: SynthmillError) -> float:
        """Returns how long to wait before the next try, in seconds.

        Raises:
            SynthmillError: the error given, when there were enough tries, or when one was silent up to its deadline.
        """
        self._failed += 1
        moved, self._moved = self._moved, False
        if self._failed >= self._policy.max_tries or (isinstance(error, DeadlineExceeded) and not moved):
            raise error
        pause = min(self._policy.first_pause_s * 2 ** (self._failed - 1), self._policy.longest_pause_s)
        # Many workers that lost the same server must not all come back at the same moment.
        pause *= random.uniform(0.5, 1.0)
        return pause + error.retry_after_s if isinstance(error, Overloaded) else pause
