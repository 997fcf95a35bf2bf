"""What Prometheus is told of the operations of the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from synthmill.runtime import metrics

PUT, OPEN, READ, FIND, REMOVE = "put", "open", "read", "find", "remove"


@contextlib.contextmanager
def observed(operation: str) -> Iterator[None]:
    """Times what is done in the with block, and counts whether it failed; a file that is not there is no failure."""
    with metrics.STORE_SECONDS.labels(operation).time(), failures_counted(operation):
        yield


@contextlib.contextmanager
def failures_counted(operation: str) -> Iterator[None]:
    """Counts whether what is done in the with block failed."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception:
        metrics.STORE_FAILURES.labels(operation).inc()
        raise
