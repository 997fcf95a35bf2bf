"""Regions that several processes know: one table, whoever looks at it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from multiprocessing import shared_memory

import pytest

from synthmill.runtime.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted
from synthmill.sampling.oip import shared_memory as regions_module
from synthmill.sampling.oip.region_folder import RegionFolder
from synthmill.sampling.oip.shared_memory import Region, Regions

SIZE = 1 << 16
NAMES = ["plain", "with/slash", "../up", "a\0b", "ä 木 🜁", "🜁" * 255, '"quoted"']


@pytest.fixture
def memory() -> Iterator[shared_memory.SharedMemory]:
    memory = shared_memory.SharedMemory(f"folder-{uuid.uuid4().hex}", create=True, size=SIZE)
    yield memory
    memory.close()
    memory.unlink()


@pytest.fixture
def tables(tmp_path) -> list[Regions]:
    """The table as two processes see it."""
    return [Regions(True, RegionFolder(tmp_path / "regions")) for _ in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_what_one_registers_the_other_can_use(tables, memory, name):
    one, other = tables
    one.register(name, memory.name, 4096, SIZE - 4096)
    assert list(other.status("")) == list(other.status(name)) == [name]
    region = other.status(name)[name]
    assert (region.key, region.offset, region.byte_size) == (memory.name, 4096, SIZE - 4096)
    other.place(name, 10, 5).write(0, [b"hello"])
    assert bytes(memory.buf[4106:4111]) == b"hello"
    assert one.place(name, 10, 5).read() == b"hello"


def test_name_is_taken_for_all_until_any_of_them_frees_it(tables, memory):
    one, other = tables
    one.register("name", memory.name, 0, SIZE)
    with pytest.raises(AlreadyExists):
        other.register("name", memory.name, 0, 100)
    other.unregister("name")
    with pytest.raises(NotFound):
        one.place("name", 0, 1)
    other.register("name", memory.name, 0, 100)
    assert one.status("name")["name"].byte_size == 100
    one.register("another", memory.name, 0, SIZE)
    other.unregister("")
    assert not one.status("")


def test_of_many_at_once_one_gets_the_name(tmp_path):
    folder = RegionFolder(tmp_path)
    start, won = threading.Barrier(8), []

    def take(number: int) -> None:
        region = Region("key", 0, number + 1)
        start.wait()
        if folder.setdefault("name", region) is region:
            won.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert folder["name"].byte_size == won[0] + 1
    assert (list(folder), len(folder), "name" in folder, "other" in folder) == (["name"], 1, True, False)


def test_there_are_only_so_many_in_all(tables, memory, monkeypatch):
    monkeypatch.setattr(regions_module, "MAX_REGIONS", 3)
    for number, table in enumerate((*tables, tables[0])):
        table.register(str(number), memory.name, 0, SIZE)
    with pytest.raises(ResourceExhausted):
        tables[1].register("more", memory.name, 0, SIZE)


def test_object_that_shrinks_or_goes_fails_its_use_alone(tables):
    memory = shared_memory.SharedMemory(f"folder-{uuid.uuid4().hex}", create=True, size=SIZE)
    tables[0].register("name", memory.name, 0, SIZE)
    with open(f"/dev/shm/{memory.name}", "r+b") as file:
        file.truncate(100)
    with pytest.raises(FailedPrecondition, match="smaller than"):
        tables[1].place("name", 0, 200).read()
    memory.close()
    memory.unlink()
    with pytest.raises(NotFound, match="no shared memory object"):
        tables[1].place("name", 0, 10)
    # It is still told, so that it can be unregistered.
    assert list(tables[1].status("")) == ["name"]
