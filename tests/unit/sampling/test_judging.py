"""Opinions in memory: loaded when a filter asks for them, once, and dropped with their version."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from unit.sampling.serving import metric, until
from unit.sampling.test_models import A, B, Setting, setting

from synthmill.runtime.errors import DataLoss
from synthmill.sampling.engine import Engine


@pytest.fixture
async def here(tmp_path) -> AsyncIterator[Setting]:
    async with setting(tmp_path) as here:
        yield here


async def judging(here: Setting, name: str, *opinions: str) -> Engine:
    with await here.models.use(name) as loaded:
        return await here.models.judging(loaded, opinions)


async def test_opinions_are_loaded_when_they_are_asked_for_and_once(here):
    version = here.promote_judging(A)
    with await here.models.use(A) as loaded:
        assert loaded.engine.signature.outputs == ("image",)
        assert loaded.engine.signature.opinions == ("confidence", "score")
        alone_bytes = loaded.memory_bytes
        engines = await asyncio.gather(*(judging(here, name, "confidence") for name in (A, version) * 5))
        assert len(set(engines)) == 1
        assert engines[0].signature.outputs == ("image", "confidence")
        assert engines[0].signature.made_opinions == ("confidence",)
        assert loaded.memory_bytes == alone_bytes + engines[0].memory_bytes
    assert here.opened == {version: 1, f"{version} with confidence": 1}
    assert (await judging(here, A, "confidence", "score")).signature.outputs == ("image", "confidence", "score")
    assert here.loaded() == [version]
    await here.models.unload(version)
    assert here.loaded() == []


async def test_opinions_that_cannot_be_loaded_are_not_tried_with_every_request(here):
    version = here.promote_judging(A)
    failing = f"{version} with confidence"
    here.failures[failing] = DataLoss("its file is gone")
    before = metric("sampling_load_failures_total", model=version)
    for _ in range(3):
        with pytest.raises(DataLoss):
            await judging(here, A, "confidence")
    assert here.opened[failing] == 1
    assert metric("sampling_load_failures_total", model=version) == before + 1
    assert await here.serving(A) == version
    del here.failures[failing]
    await here.models.load(A, again=True)
    assert (await judging(here, A, "confidence")).signature.made_opinions == ("confidence",)


async def test_a_version_that_takes_over_has_the_opinions_that_were_in_use(here):
    old = here.promote_judging(A, 1)
    await judging(here, A, "confidence")
    new = here.promote_judging(A, 2)
    gate = here.gates[f"{new} with confidence"] = threading.Event()
    assert await here.serving(A) == old
    await until(lambda: here.opened[f"{new} with confidence"])
    assert await here.serving(A) == old
    gate.set()
    await here.comes_to_serve(A, new)
    await judging(here, A, "confidence")
    assert here.opened[f"{new} with confidence"] == 1


async def test_a_version_without_opinions_takes_over_all_the_same(here):
    here.promote_judging(A, 1)
    await judging(here, A, "confidence")
    new = here.promote(A, 2)
    await here.comes_to_serve(A, new)
    assert here.opened[f"{new} with confidence"] == 0


async def test_opinions_make_room_for_themselves(tmp_path):
    async with setting(tmp_path / "one") as here:
        here.promote_judging(A)
        one_bytes = (await here.models.load(A)).memory_bytes
    async with setting(tmp_path / "few", max_bytes=int(2.5 * one_bytes)) as here:
        here.promote(B)
        await here.serving(B)
        version = here.promote_judging(A)
        await here.serving(A)
        assert len(here.loaded()) == 2
        await judging(here, A, "confidence")
        await until(lambda: here.loaded() == [version])
