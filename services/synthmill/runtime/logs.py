"""JSON logs, one object a line, each with the request or job that it belongs to, and the trace if there is one."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import json
import logging
import sys
from collections.abc import Iterator

from synthmill.runtime.tracing.parents import trace_id

_context: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("synthmill_log_context", default=None)


@contextlib.contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Adds fields, such as a request id, to every line logged inside."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the record's own time in UTC."""

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._fields,
            "logger": record.name,
            "message": record.getMessage(),
            **(_context.get() or {}),
        }
        if found := trace_id():
            line["trace_id"] = found
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _tells_of_ours(record: logging.LogRecord) -> bool:
    """Returns whether a line of gRPC's tells of more than that a caller hung up before it had its answer."""
    return not (record.exc_info and record.exc_info[0] and record.exc_info[0].__name__ == "ExecuteBatchError")


def set_up_logging(service: str, level: str, **fields: str) -> None:
    """Sends logs to standard error as JSON: our own from `level` on, those of libraries if they are warnings.

    Args:
        service: name of the service.
        level: least level of our own that is logged.
        fields: what else is in every line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service=service, **fields))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_tells_of_ours)
    logging.getLogger("synthmill").setLevel(level.upper())
