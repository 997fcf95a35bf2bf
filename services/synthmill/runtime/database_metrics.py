"""What Prometheus is told of the statements of a database."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InterfaceError, OperationalError

from synthmill.runtime import metrics

# Others are about what a statement says, which may well be what somebody wanted to know.
_FOR_WANT_OF_IT = (OperationalError, InterfaceError)


def observe(database: Engine) -> None:
    """Times the statements of a database from now on, and counts those that it did not answer."""
    event.listen(database, "before_cursor_execute", _begin)
    event.listen(database, "after_cursor_execute", _end)
    event.listen(database, "handle_error", _fail)


def _begin(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    context.synthmill_began = time.perf_counter()


def _end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    metrics.DATABASE_SECONDS.observe(time.perf_counter() - context.synthmill_began)


def _fail(failure: ExceptionContext) -> None:
    if isinstance(failure.sqlalchemy_exception, _FOR_WANT_OF_IT):
        metrics.DATABASE_FAILURES.inc()
