"""Processes that work at records in shared memory: what threads make, whatever becomes of the processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from unit.augmentation.lent_memory import Lent
from unit.augmentation.test_augmenting import POLICY, assert_same, in_process, spec_of
from unit.augmentation.test_lent import IMAGES

from synthmill.augmentation import child_messages, children
from synthmill.augmentation.children import Children
from synthmill.runtime.errors import Unavailable
from synthmill.v1 import augmentation_service_pb2 as pb

WITHIN_S = 30


async def ready(service) -> list[int]:
    """Waits until the processes have begun, and returns their ids."""
    crew = service.children
    deadline = time.monotonic() + WITHIN_S
    while not crew._ready:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return crew.process_ids


def maps(process_id: int) -> int:
    """Returns how many lent memories a process has mapped."""
    return Path(f"/proc/{process_id}/maps").read_text().count("/memfd:synthmill-")


def cpu_ticks(process_id: int) -> int:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Exchange:
    """A stream over lent memory, message by message."""

    def __init__(self, service, lent: Lent, spec=None) -> None:
        self._lent, self._spec = lent, spec or spec_of()
        self._asked: asyncio.Queue[pb.AugmentStreamRequest | None] = asyncio.Queue()
        self._call = service.stub.AugmentStream(self._messages())

    async def open(self) -> None:
        answer = await self._call.read()
        assert answer.shares_memory

    async def ask(self, numbers: range) -> list:
        """Returns the images that records come back as, sent in one message."""
        records = [self._lent.record(IMAGES[number % len(IMAGES)], number % len(IMAGES)) for number in numbers]
        self._asked.put_nowait(pb.AugmentStreamRequest(records=records))
        found: list = []
        while len(found) < len(records):
            answer = await self._call.read()
            found += [self._lent.image(each, numbers[len(found) + at] % 20) for at, each in enumerate(answer.results)]
        return found

    async def end(self) -> None:
        self._asked.put_nowait(None)
        _ = [answer async for answer in self._call]

    def cancel(self) -> None:
        self._call.cancel()

    async def _messages(self):
        yield pb.AugmentStreamRequest(spec=self._spec, shared_memory=self._lent.offer)
        while (message := await self._asked.get()) is not None:
            yield message


def wanted(numbers: range, policy=POLICY) -> list:
    return in_process([IMAGES[number % len(IMAGES)] for number in numbers], list(numbers), policy)


async def test_processes_take_over_from_threads_and_make_the_same(service, lent):
    exchange = Exchange(service, lent)
    await exchange.open()
    assert_same(await exchange.ask(range(20)), wanted(range(20)))
    process_ids = await ready(service)
    before = sum(map(cpu_ticks, process_ids))
    at, deadline = 20, time.monotonic() + WITHIN_S
    while sum(map(cpu_ticks, process_ids)) < before + 3:
        assert time.monotonic() < deadline, "the processes do nothing"
        assert_same(await exchange.ask(range(at, at + 20)), wanted(range(at, at + 20)))
        at += 20
    assert any(map(maps, process_ids))
    await exchange.end()
    await nothing_mapped(process_ids)


async def test_streams_over_the_same_memory_each_have_their_own_policy(service, lent):
    inverted = {"steps": [{"op": "invert"}]}
    first, second = Exchange(service, lent), Exchange(service, lent, spec_of(inverted))
    for exchange in (first, second):
        await exchange.open()
    for exchange in (first, second):
        await exchange.ask(range(20))
    await ready(service)
    # Processes take turns: three batches a round, so that both of them have had both streams.
    for at in range(20, 100, 20):
        assert_same(await first.ask(range(at, at + 20)), wanted(range(at, at + 20)))
        for start in (2 * at - 20, 2 * at):
            assert_same(await second.ask(range(start, start + 20)), wanted(range(start, start + 20), inverted))
    for exchange in (first, second):
        await exchange.end()


async def nothing_mapped(process_ids: list[int]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while any(map(maps, process_ids)):
        assert time.monotonic() < deadline, "memory of a stream that has ended is still mapped"
        await asyncio.sleep(0.05)


async def test_stream_that_is_cancelled_leaves_nothing_mapped(service, lent):
    exchange = Exchange(service, lent)
    await exchange.open()
    await exchange.ask(range(1))
    process_ids = await ready(service)
    await exchange.ask(range(1, 20))
    exchange.cancel()
    await nothing_mapped(process_ids)
    assert service.memory._held == 0


async def test_killed_process_is_replaced_and_nothing_is_lost(service, lent):
    exchange = Exchange(service, lent)
    await exchange.open()
    await exchange.ask(range(1))
    first = await ready(service)
    at = 1
    for _ in range(3):
        for process_id in service.children.process_ids:
            os.kill(process_id, signal.SIGKILL)
        for _ in range(2):
            assert_same(await exchange.ask(range(at, at + 20)), wanted(range(at, at + 20)))
            at += 20
    assert not set(first) & set(service.children.process_ids)
    await exchange.end()


async def test_batch_that_kills_its_process_ends_its_own_stream(service, lent, monkeypatch):
    exchange = Exchange(service, lent)
    await exchange.open()
    await exchange.ask(range(1))
    await ready(service)
    # What is no message of a record is a fault that a process tells; one that cannot be read at all ends it.
    with monkeypatch.context() as patched:
        patched.setattr(children, "Work", Poison)
        with pytest.raises(Unavailable, match="has died, and so has another one"):
            await exchange.ask(range(1, 20))
    again = Exchange(service, lent)
    await again.open()
    assert_same(await again.ask(range(20)), wanted(range(20)))
    await again.end()


class Poison(child_messages.Work):
    """What ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (3,)


async def test_fault_of_a_process_is_one_of_the_service(service, lent, monkeypatch):
    exchange = Exchange(service, lent)
    await exchange.open()
    await exchange.ask(range(1))
    process_ids = await ready(service)
    monkeypatch.setattr(children, "_messages", lambda batch: [(1, b"\xff")])
    with pytest.raises(Exception, match="a fault of the service"):
        await exchange.ask(range(1, 20))
    assert service.children.process_ids == process_ids


async def test_processes_that_do_not_start_leave_the_work_to_threads(service, lent, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    exchange = Exchange(service, lent)
    await exchange.open()
    for at in range(0, 60, 20):
        assert_same(await exchange.ask(range(at, at + 20)), wanted(range(at, at + 20)))
        await asyncio.sleep(0.2)
    assert not service.children._ready
    await exchange.end()


async def test_policy_that_mixes_is_left_to_threads(service):
    alone = await service.augmenting.open(spec_of())
    mixing = await service.augmenting.open(spec_of({"steps": [{"op": "mixup"}]}, pool="datasets/pets"))
    assert alone.recipe is not None
    assert mixing.recipe is None
    assert not service.children.can_work(mixing, [])


async def test_there_may_be_none():
    none = Children(0)
    assert none.process_ids == []
    none.stop()
