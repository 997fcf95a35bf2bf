"""A process that makes loads when told to: `python -m synthmill.bench.worker`.

It reads a line of JSON, {"call": name, "arguments": {...}}, does it, and answers with a line, {"result": ...} or
{"error": ...}. It ends when its input does.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import grpc

from synthmill.bench.augmentation import loads as augmentation
from synthmill.bench.sampling import loads as sampling
from synthmill.runtime.errors import SynthmillError
from synthmill.runtime.status import from_rpc_error

LOADS: dict[str, Callable[..., Any]] = {**sampling.LOADS, **augmentation.LOADS}


def main() -> None:
    """Does what the lines of the input say."""
    # A Ctrl-C goes to all processes of a terminal; the one that started this one ends it in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # gRPC's loop must stay the same as long as a process lives.
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(_answer(runner, json.loads(line))), flush=True)


def _answer(runner: asyncio.Runner, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        result = LOADS[asked["call"]](**asked["arguments"])
        return {"result": runner.run(result) if inspect.iscoroutine(result) else result}
    except Exception as error:
        return {"error": _told(_first(error))}


def _first(error: BaseException) -> BaseException:
    """Returns the first of the errors of tasks that ran together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _told(error: BaseException) -> dict[str, Any]:
    if isinstance(error, grpc.RpcError):
        error = from_rpc_error(error)
    if isinstance(error, SynthmillError):
        return {"reason": error.reason, "message": error.message, "metadata": error.metadata}
    return {"reason": "INTERNAL", "message": f"{type(error).__name__}: {error}", "metadata": {}}


if __name__ == "__main__":
    main()
