"""A command as the beginning of a trace, if the environment asks for traces."""

from __future__ import annotations

import contextlib
import sys

_open = contextlib.ExitStack()


def begin_trace() -> None:
    """Makes the calls of this command one trace; what is missing for that is told, and keeps it from nothing else."""
    from synthmill.runtime.errors import SynthmillError
    from synthmill.runtime.tracing.setting_up import is_on, set_up_tracing
    from synthmill.runtime.tracing.work import work_span

    try:
        if not is_on() and set_up_tracing("cli"):
            _open.enter_context(work_span(f"synthmill {sys.argv[1]}", {}, {}))
    except SynthmillError as error:
        print(f"synthmill: no traces: {error.message}", file=sys.stderr)


def end_trace() -> None:
    """Sends what there is of the trace."""
    # Loading it would take longer than the rest of a command that has none.
    setting_up = sys.modules.get("synthmill.runtime.tracing.setting_up")
    _open.close()
    if setting_up is not None:
        setting_up.shut_down()
