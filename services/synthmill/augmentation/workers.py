"""Works at batches side by side: in threads, and in processes where the records lie in shared memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from synthmill.augmentation import metrics
from synthmill.augmentation.batches import Batch, work
from synthmill.augmentation.children import Children
from synthmill.augmentation.frames import Frame
from synthmill.augmentation.opening import Task

Work = Callable[[Task, Batch, int], list[Frame]]


class Workers:
    """The threads and processes that records are worked at in; belongs to one event loop.

    Args:
        count: batches that are worked at side by side in threads.
        children: the processes.
    """

    def __init__(self, count: int, children: Children) -> None:
        self.count = max(count, children.count)
        self._children = children
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="augment")
        self._waiting = ThreadPoolExecutor(max(1, children.count), thread_name_prefix="wait for child")

    def begin(self, task: Task, batch: Batch, limit_bytes: int) -> asyncio.Future[list[Frame]]:
        """Puts a batch in the queue; its results are those of `work`."""
        if self._children.can_work(task, batch):
            threads, does = self._waiting, self._children.work
        else:
            threads, does = self._threads, work
        return asyncio.get_running_loop().run_in_executor(threads, _told, does, task, batch, limit_bytes)

    async def results(
        self, task: Task, batch: Batch, begun: asyncio.Future[list[Frame]], limit_bytes: int
    ) -> AsyncIterator[Frame]:
        """Yields the results of a batch that was begun.

        If they are large, what comes after some of them is begun once these were taken, so that no more than a part of
        them is in memory.
        """
        while batch:
            frames = await begun
            batch = batch[sum(frame.count for frame in frames) :]
            for frame in frames:
                yield frame
            if batch:
                begun = self.begin(task, batch, limit_bytes)

    def forget(self, task: Task) -> None:
        """Lets go of a task, none of whose batches is worked at any more."""
        self._children.forget(task)

    async def stop(self) -> None:
        """Ends the threads and processes, once they are done with what they have begun."""
        for threads in (self._threads, self._waiting):
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._children.stop)


def _told(does: Work, task: Task, batch: Batch, limit_bytes: int) -> list[Frame]:
    """Does the work and tells Prometheus of it."""
    with metrics.BATCH_SECONDS.time():
        frames = does(task, batch, limit_bytes)
    for frame in frames:
        metrics.AUGMENTED.inc(frame.count - frame.failed)
        metrics.FAILED.inc(frame.failed)
    return frames
