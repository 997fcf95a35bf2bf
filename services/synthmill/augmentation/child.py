"""A process that works at batches: `python -m synthmill.augmentation.child`, started by the service.

What it is asked comes through the socket whose descriptor is its argument. Records lie in shared memory; only what
describes them comes here, and what describes their results goes back. The end of the socket means that the service has
ended or died, and the process with it.
"""

from __future__ import annotations

import signal
import sys
import traceback
from multiprocessing.connection import Connection

import cv2

from synthmill.augmentation.batches import Indexed, work
from synthmill.augmentation.child_messages import Done, Failed, Forget, Open, Ready, Work
from synthmill.augmentation.lent import open_place
from synthmill.augmentation.opening import Task
from synthmill.augmentation.received import to_record
from synthmill.runtime.memory import keep_freed_memory
from synthmill.v1 import augmentation_service_pb2 as pb


def main() -> None:
    """Does what it is asked until nobody is there to ask."""
    # Ctrl-C in a terminal is for the service, which lets go of its processes when it has done what it had begun.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    cv2.setNumThreads(1)
    connection = Connection(int(sys.argv[1]))
    try:
        connection.send(Ready())
        _serve(connection)
    except (EOFError, ConnectionError):
        return


def _serve(connection: Connection) -> None:
    tasks: dict[str, Open | Task] = {}
    while True:
        asked = connection.recv()
        match asked:
            case Open():
                tasks[asked.place.key] = asked
            case Forget():
                tasks.pop(asked.key, None)
            case Work():
                connection.send(_work(tasks, asked))


def _work(tasks: dict[str, Open | Task], asked: Work) -> Done | Failed:
    try:
        task = tasks[asked.key]
        if isinstance(task, Open):
            task = tasks[asked.key] = _opened(task)
        records = ((index, to_record(pb.AugmentationRecord.FromString(message))) for index, message in asked.batch)
        return Done(work(task, [Indexed(*each) for each in records], asked.limit_bytes))
    except Exception:
        return Failed(traceback.format_exc())


def _opened(asked: Open) -> Task:
    kind, side, augmenter = asked.recipe.open()
    return Task(kind, side, augmenter, asked.seed, "", memory=open_place(asked.place))


if __name__ == "__main__":
    main()
