"""What the sampling service remembers of the catalog: fresh, a little stale, and old when there is nobody to ask."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from unit.sampling.serving import FakeCatalog, serving_catalog, until

from synthmill.runtime.channels import connect
from synthmill.runtime.errors import NotFound, Unavailable
from synthmill.sampling.catalog import Catalog
from synthmill.v1 import dataset_pb2, model_pb2

MODEL = "models/m"
LONG_S = 60.0


def version(number: int) -> model_pb2.Model:
    return model_pb2.Model(name=f"{MODEL}/versions/{number}")


@pytest.fixture
def told() -> FakeCatalog:
    catalog = FakeCatalog()
    catalog.promote(version(1))
    return catalog


@contextlib.asynccontextmanager
async def asking(told: FakeCatalog, fresh_s: float) -> AsyncIterator[Catalog]:
    async with serving_catalog(told) as address:
        channel = connect(address)
        yield Catalog(channel, fresh_s)
        await channel.close()


async def test_fresh_answer_is_not_asked_for_again(told):
    async with asking(told, LONG_S) as catalog:
        found = {(await catalog.model(MODEL)).name for _ in range(10)}
        assert found == {f"{MODEL}/versions/1"}
        assert told.asked == [MODEL]


async def test_many_callers_ask_one_question(told):
    async with asking(told, LONG_S) as catalog:
        told.gate.clear()
        callers = [asyncio.create_task(catalog.model(MODEL)) for _ in range(30)]
        await until(lambda: told.asked)
        callers += [asyncio.create_task(catalog.model(MODEL)) for _ in range(30)]
        await asyncio.sleep(0.02)
        told.gate.set()
        assert {found.name for found in await asyncio.gather(*callers)} == {f"{MODEL}/versions/1"}
        assert told.asked == [MODEL]


async def test_answer_that_has_just_aged_comes_at_once_and_the_new_one_after_it(told):
    async with asking(told, 0.6) as catalog:
        await catalog.model(MODEL)
        told.promote(version(2))
        told.gate.clear()
        await asyncio.sleep(0.65)
        # Nobody answers, and nobody waits.
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/1"
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/1"
        await until(lambda: len(told.asked) == 2)
        told.gate.set()
        await asyncio.sleep(0.2)
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/2"
        assert len(told.asked) == 2


async def test_old_answer_is_not_believed_while_the_catalog_can_be_asked(told):
    async with asking(told, 0.05) as catalog:
        await catalog.model(MODEL)
        told.promote(version(2))
        await asyncio.sleep(0.2)
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/2"


async def test_old_answers_come_at_once_while_the_catalog_is_away(told):
    async with asking(told, 0.05) as catalog:
        await catalog.model(MODEL)
        told.reachable = False
        await asyncio.sleep(0.2)
        # The first one may have to wait until it is clear that the catalog is away.
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/1"
        began = time.perf_counter()
        for _ in range(3):
            assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/1"
            await asyncio.sleep(0.15)
        assert time.perf_counter() - began < 1.0


async def test_catalog_that_comes_back_is_believed_again(told):
    async with asking(told, 0.05) as catalog:
        await catalog.model(MODEL)
        told.reachable = False
        await asyncio.sleep(0.2)
        await catalog.model(MODEL)
        told.promote(version(2))
        told.reachable = True
        deadline = time.monotonic() + 10
        while (await catalog.model(MODEL)).name != f"{MODEL}/versions/2":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_new_name_needs_the_catalog(told):
    async with asking(told, LONG_S) as catalog:
        await catalog.model(MODEL)
        told.reachable = False
        with pytest.raises(Unavailable, match="away"):
            await catalog.model("models/other")
        assert (await catalog.model(MODEL)).name == f"{MODEL}/versions/1"


async def test_name_that_there_is_not_is_asked_for_each_time(told):
    async with asking(told, LONG_S) as catalog:
        for _ in range(2):
            with pytest.raises(NotFound, match="other"):
                await catalog.model("models/other")
        told.models["models/other"] = version(9)
        assert (await catalog.model("models/other")).name == f"{MODEL}/versions/9"
        assert len(told.asked) == 3


async def test_caller_that_goes_away_does_not_take_the_answer_from_others(told):
    async with asking(told, LONG_S) as catalog:
        told.gate.clear()
        first, second = (asyncio.create_task(catalog.model(MODEL)) for _ in range(2))
        await until(lambda: told.asked)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        told.gate.set()
        assert (await second).name == f"{MODEL}/versions/1"
        assert told.asked == [MODEL]


async def test_class_sizes_are_those_of_the_training_split(told):
    splits = [
        dataset_pb2.Split(name=name, class_counts=counts) for name, counts in (("test", [9, 9]), ("train", [5, 2]))
    ]
    told.datasets["datasets/d"] = dataset_pb2.Dataset(labels=["cat", "dog"], splits=splits)
    told.datasets["datasets/plain"] = dataset_pb2.Dataset()
    async with asking(told, LONG_S) as catalog:
        assert dict(await catalog.class_counts("datasets/d")) == {"cat": 5, "dog": 2}
        assert dict(await catalog.class_counts("datasets/d")) == {"cat": 5, "dog": 2}
        assert dict(await catalog.class_counts("datasets/plain")) == {}
        assert told.asked == ["datasets/d", "datasets/plain"]
