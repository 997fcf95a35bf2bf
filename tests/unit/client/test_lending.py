"""Streams to a service on this machine: records go through memory that it is lent, or as ever where it cannot be."""

from __future__ import annotations

import dataclasses
import errno
import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.client.conftest import QUICK
from unit.client.fakes.faults import BREAK, END_EARLY

from synthmill.client import Client, augmentation, outbox, packing
from synthmill.client.lending import LentMemory
from synthmill.runtime.errors import InvalidField

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (140, 96, 96, 3), np.uint8)
SMALL = IMAGES[:, :8, :8]


@pytest.fixture(autouse=True)
def short_messages(monkeypatch):
    monkeypatch.setattr(outbox, "MESSAGE_BYTES", 1 << 20)


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = count_lent()
    yield
    # What a stream that was left had lent goes with its last thread.
    deadline = time.monotonic() + 10
    while count_lent() > before:
        gc.collect()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def count_lent() -> int:
    return Path("/proc/self/maps").read_text().count("/memfd:synthmill-")


def augmented(client, images, **how) -> list[np.ndarray]:
    records = ({"image": image} for image in images)
    return [result["image"] for result in client.augmentation.iter_augmented(records, "light", **how)]


def assert_inverted(found, images) -> None:
    assert len(found) == len(images)
    assert all(np.array_equal(one, 255 - other) for one, other in zip(found, images, strict=True))
    assert not any(image.flags.writeable for image in found)


def test_large_records_go_through_memory_and_small_ones_do_not(client, services):
    mixed = [image for pair in zip(IMAGES, SMALL, strict=True) for image in pair]
    # Results are as small as their records.
    assert_inverted(augmented(client, mixed, start_index=10), mixed)
    [stream] = services.augmentation.streams
    assert stream.in_blocks == set(range(10, 290, 2))
    services.augmentation.streams.clear()
    assert_inverted(client.augmentation.augment([*IMAGES, *IMAGES], "light"), [*IMAGES, *IMAGES])
    assert services.augmentation.streams[0].in_blocks == set(range(280))


async def test_memory_is_lent_for_asyncio_too(async_client, services):
    records = ({"image": image} for image in IMAGES)
    found = [result["image"] async for result in async_client.augmentation.iter_augmented(records, "light")]
    assert_inverted(found, IMAGES)
    assert services.augmentation.streams[0].in_blocks == set(range(140))


def test_record_that_cannot_be_augmented_gives_its_place_back(client):
    images = [*IMAGES[:2], IMAGES[0, :1, :1, :1], *IMAGES[2:]]
    records = [{"image": image, "label": np.zeros(5000, np.float32)} for image in images]
    results = list(client.augmentation.iter_augmented(records, "light", return_errors=True))
    assert [number for number, result in enumerate(results) if result.error] == [2]
    assert_inverted([result["image"] for result in results if not result.error], IMAGES)


@pytest.mark.parametrize("fault", [BREAK, END_EARLY])
def test_broken_stream_lends_its_records_anew(client, services, fault):
    services.augmentation.faults.plan = [(3, fault), (0, fault), (1, fault)]
    assert_inverted(augmented(client, IMAGES), IMAGES)
    streams = services.augmentation.streams
    assert len(streams) == len({stream.key for stream in streams}) == 4
    assert all(stream.in_blocks for stream in streams)
    assert streams[1].indices[0][0] == streams[2].indices[0][0] > 0


def test_broken_stream_is_taken_up_while_its_source_has_nothing_new(client, services):
    more = threading.Event()

    def records():
        yield {"image": IMAGES[0]}
        # Long enough that the second record completes a message.
        time.sleep(0.1)
        yield {"image": IMAGES[1]}
        assert more.wait(20)
        yield {"image": IMAGES[2]}

    services.augmentation.faults.plan = [(0, BREAK), (0, BREAK)]
    results = client.augmentation.iter_augmented(records(), "light")
    found = [next(results)["image"], next(results)["image"]]
    more.set()
    found += [result["image"] for result in results]
    assert_inverted(found, IMAGES[:3])
    assert len(services.augmentation.streams) == 3


def test_stream_goes_on_without_memory_where_there_is_none_to_share(client, services):
    services.augmentation.faults.plan = [(3, BREAK), (1, BREAK)]
    services.augmentation.takes_memory = [True, False]
    assert_inverted(augmented(client, IMAGES), IMAGES)
    first, second, third = services.augmentation.streams
    assert first.in_blocks
    assert second.key
    assert not second.in_blocks
    assert not third.key


@pytest.mark.parametrize("case", ["another system", "full", "off"])
def test_nothing_is_lent_where_there_is_nothing_to_lend(addresses, services, monkeypatch, case):
    def full(*_args):
        raise OSError(errno.ENOSPC, "no space")

    if case == "another system":
        monkeypatch.setattr(packing, "CAN_LEND", False)
    elif case == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    settings = dataclasses.replace(QUICK, shared_memory=case != "off")
    with Client(**addresses, settings=settings) as client:
        assert_inverted(augmented(client, IMAGES), IMAGES)
    [stream] = services.augmentation.streams
    assert not stream.key


def little_is_lent(monkeypatch) -> None:
    monkeypatch.setattr(augmentation, "LENT_BYTES", 1 << 20)


def test_slow_reader_has_the_source_wait_for_room(client, monkeypatch):
    little_is_lent(monkeypatch)
    drawn = 0

    def records():
        nonlocal drawn
        for image in IMAGES:
            drawn += 1
            yield {"image": image}

    results = client.augmentation.iter_augmented(records(), "light")
    found = [next(results)["image"]]
    time.sleep(0.3)
    # A record and its result take 54 KiB of the megabyte.
    assert drawn < 40
    found += [result["image"] for result in results]
    assert_inverted(found, IMAGES)


def test_stream_that_waits_for_room_can_be_left(client, monkeypatch):
    little_is_lent(monkeypatch)
    drawn = 0

    def records():
        nonlocal drawn
        while True:
            drawn += 1
            yield {"image": IMAGES[0]}

    results = client.augmentation.iter_augmented(records(), "light")
    next(results)
    time.sleep(0.1)
    results.close()
    before = drawn
    time.sleep(0.2)
    assert drawn == before < 40


def test_what_is_no_array_is_refused_before_it_takes_room(client, caplog):
    records = [{"image": IMAGES[0]}, {"image": IMAGES[1].astype("c16")}]
    with pytest.raises(InvalidField, match="dtype"):
        list(client.augmentation.iter_augmented(records, "light"))
    # gRPC logs the error of a source with its frames, which have the memory.
    caplog.clear()


def test_no_more_is_lent_than_a_few_records_need(client, services):
    images = [RNG.integers(0, 256, (1200, 1200, 3), np.uint8)] * 3
    found = client.augmentation.augment(images, "light")
    assert_inverted(found, images)
    [stream] = services.augmentation.streams
    assert stream.in_blocks == {0, 1, 2}
    assert stream.lent_bytes < 2 * sum(image.nbytes for image in images) + 4096


def test_strings_go_in_messages(client, services):
    records = [{"image": image, "name": np.array(["a"])} for image in IMAGES[:3]]
    found = list(client.augmentation.iter_augmented(records, "light"))
    assert [result["name"].tolist() for result in found] == [["a"]] * 3
    assert not services.augmentation.streams[0].in_blocks


@given(st.lists(st.one_of(st.integers(0, 5000), st.none()), max_size=60))
def test_blocks_that_are_taken_never_meet(steps):
    memory = LentMemory(8192)
    taken: list[tuple[int, int]] = []
    for size in steps:
        if size is None:
            if taken:
                memory.give_back()
                taken.pop(0)
            continue
        start = memory.take(size)
        if start is None:
            # Alone, a block of at most the whole always finds room.
            assert taken
            continue
        assert 0 <= start <= start + size <= 8192
        assert all(start + size <= first or last <= start for first, last in taken)
        taken.append((start, start + size))
