"""Processes that work at batches whose records lie in shared memory: they do not wait for one lock as threads do."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from multiprocessing.connection import Connection

from synthmill.augmentation.batches import Batch, Indexed
from synthmill.augmentation.child_messages import Done, Failed, Forget, Open, Work
from synthmill.augmentation.frames import Frame
from synthmill.augmentation.opening import Task
from synthmill.runtime.errors import Unavailable
from synthmill.v1 import augmentation_service_pb2 as pb

_TRIES = 2
# Between attempts to start a process, for as long as the service runs; the last one again and again.
_PAUSES_S = (0.2, 1.0, 5.0, 60.0)
_STOPS_WITHIN_S = 5.0

logger = logging.getLogger(__name__)


class Children:
    """The processes; they are started when there is something for them to do.

    Args:
        count: of them; zero means that there are none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._children = [_Child() for _ in range(count)]
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self._starting: threading.Thread | None = None
        self._ready, self._stopping = False, threading.Event()

    @property
    def process_ids(self) -> list[int]:
        """Of those that are running."""
        return [child.process_id for child in self._children if child.process_id]

    def can_work(self, task: Task, batch: Batch) -> bool:
        """Tells whether a batch can be worked at here, which takes a second at first; until then, threads do it."""
        if not self._children or task.recipe is None or task.memory is None:
            return False
        if self._starting is None:
            self._starting = threading.Thread(target=self._start, name="start children", daemon=True)
            self._starting.start()
        return self._ready and all(each.record.block is not None for each in batch)

    def work(self, task: Task, batch: Batch, limit_bytes: int) -> list[Frame]:
        """Returns the results that `batches.work` has, in a thread of its own.

        Raises:
            Unavailable: more than one process has died of it.
        """
        child = self._idle.get()
        try:
            return child.work(task, batch, limit_bytes)
        finally:
            self._idle.put(child)

    def forget(self, task: Task) -> None:
        """Lets go of a task and of its memory, once what is worked at for it is done."""
        if task.memory is not None:
            task.memory.ended = True
            for child in self._children:
                child.forget(task.memory.key)

    def stop(self) -> None:
        """Ends the processes, once nothing is worked at any more."""
        self._stopping.set()
        if self._starting is not None:
            self._starting.join()
        for child in self._children:
            child.stop()

    def _start(self) -> None:
        for child in self._children:
            failures = 0
            while not self._stopping.is_set() and not child.try_to_start():
                self._stopping.wait(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
            self._idle.put(child)
        self._ready = not self._stopping.is_set()


class _Child:
    """One process, seen from the service."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        # What it has been told of. It is told of the end of a task by another thread than of its batches.
        self._known: set[str] = set()
        self._sending = threading.Lock()

    @property
    def process_id(self) -> int:
        return self._process.pid if self._process is not None else 0

    def try_to_start(self) -> bool:
        """Starts the process, and returns whether it is ready."""
        try:
            self.start()
        except (OSError, EOFError) as error:
            self.stop()
            told = {"error": repr(error)}
            logger.warning("cannot start a process to work at records; threads do it meanwhile", extra=told)
            return False
        return True

    def start(self) -> None:
        """Starts the process and waits until it is ready.

        Raises:
            OSError, EOFError: it does not start.
        """
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        with theirs:
            command = [sys.executable, "-m", "synthmill.augmentation.child", str(theirs.fileno())]
            # A session of its own, so that a Ctrl-C in a terminal is for the service alone.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._known = set()
        self._connection.recv()

    def work(self, task: Task, batch: Batch, limit_bytes: int) -> list[Frame]:
        """Returns the results of a batch; a process that dies of it is started anew, once."""
        for _ in range(_TRIES):
            try:
                if self._connection is None:
                    self.start()
                answer = self._ask(task, batch, limit_bytes)
            except (EOFError, OSError) as error:
                told = {"status": self.stop(within_s=0), "error": repr(error)}
                logger.warning("a process that works at records has died", extra=told)
                continue
            if task.memory is not None and task.memory.ended:
                self.forget(task.memory.key)
            if isinstance(answer, Failed):
                raise RuntimeError(f"in a process of the augmentation service:\n{answer.told}")
            return answer.frames
        raise Unavailable("the process that worked at these records has died, and so has another one")

    def forget(self, key: str) -> None:
        """Lets go of a task."""
        with self._sending, contextlib.suppress(OSError):
            if key in self._known and self._connection is not None:
                self._known.discard(key)
                self._connection.send(Forget(key))

    def stop(self, within_s: float = _STOPS_WITHIN_S) -> int | None:
        """Ends the process, and returns its status if there was one.

        Args:
            within_s: how long it may take for what it has begun.
        """
        with self._sending:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _ask(self, task: Task, batch: Batch, limit_bytes: int) -> Done | Failed:
        assert self._connection is not None
        assert task.memory is not None
        assert task.recipe is not None
        place = task.memory.place
        with self._sending:
            if place.key not in self._known:
                self._connection.send(Open(task.recipe, task.seed, place))
                self._known.add(place.key)
            self._connection.send(Work(place.key, list(_messages(batch)), limit_bytes))
        return self._connection.recv()


def _messages(batch: Iterable[Indexed]) -> Iterable[tuple[int, bytes]]:
    for each in batch:
        record = each.record
        message = pb.AugmentationRecord(arrays=record.arrays, block=record.block, result_block=record.result_block)
        yield each.index, message.SerializeToString()
