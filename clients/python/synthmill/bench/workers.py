"""Starts, asks and ends the processes that loads come from."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from synthmill.runtime.errors import Internal, rebuild

READY_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0


class Process:
    """A Python module that runs as a process of its own and speaks in lines of JSON; used in a with block.

    Args:
        module: full name of the module.
        env: variables of its environment beside those of this process.
    """

    def __init__(self, module: str, env: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._env = env or {}
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GRPC_VERBOSITY": "ERROR", **self._env},
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN_S if error is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, value: Any) -> None:
        """Sends a line.

        Raises:
            Internal: the process has ended.
        """
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, timeout_s: float) -> Any:
        """Waits for a line.

        Raises:
            Internal: the process has ended, or is silent.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise Internal(f"{self._module} did not answer within {timeout_s:.0f} s") from None
        if not line:
            raise self._ended()
        return json.loads(line)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def _ended(self) -> Internal:
        return Internal(f"{self._module} ended with status {self._process.wait()}")


class Worker(Process):
    """A process that makes loads; `env` as for `Process`."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        super().__init__("synthmill.bench.worker", env)

    def begin(self, call: str, **arguments: Any) -> None:
        """Begins a load; its name is one of `worker.LOADS`."""
        self.send({"call": call, "arguments": arguments})

    def finish(self, timeout_s: float) -> Any:
        """Waits for what a load found.

        Raises:
            SynthmillError: it failed.
        """
        answer = self.receive(timeout_s)
        if "error" in answer:
            error = answer["error"]
            raise rebuild(error["reason"], error["message"], error["metadata"])
        return answer["result"]


def split(number: int, parts: int) -> list[int]:
    """Splits a number as evenly as possible, without empty parts."""
    return [len(part) for part in np.array_split(np.arange(number), parts) if len(part)]


def call_together(workers: Sequence[Worker], call: str, arguments: Sequence[dict[str, Any]], timeout_s: float) -> list:
    """Lets workers make loads at the same time, each with arguments of its own, and returns what they found."""
    for worker, given in zip(workers, arguments, strict=True):
        worker.begin(call, **given)
    return [worker.finish(timeout_s) for worker in workers]
