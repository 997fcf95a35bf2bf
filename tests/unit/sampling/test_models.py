"""Versions in memory: loaded once, swapped without a gap, dropped when they are idle, tried again when told to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import numpy as np
import pytest
from unit.graph.generators import LABELS, judging_graph
from unit.sampling.serving import FakeCatalog, dense, metric, serving_catalog, stored, until

from synthmill.runtime.channels import connect
from synthmill.runtime.errors import BadGraph, DataLoss, InvalidField, NotFound, SynthmillError
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.engine import Draw, Engine
from synthmill.sampling.hardware import CPU
from synthmill.sampling.loading import engine_opener
from synthmill.sampling.models import ModelRegistry
from synthmill.v1 import model_pb2

A, B, C = "models/a", "models/b", "models/c"
FRESH_S = 0.02


@dataclasses.dataclass
class Setting:
    """A registry with a catalog and a store that a test can change.

    Attributes:
        models: the registry.
        opened: how often each version was opened, "models/a/versions/1 with confidence" if with opinions.
        gates: versions that open only when their event is set, by the same names.
        failures: versions that fail to open, with what.
    """

    models: ModelRegistry
    catalog: FakeCatalog
    store: ObjectStore
    opened: Counter = dataclasses.field(default_factory=Counter)
    gates: dict[str, threading.Event] = dataclasses.field(default_factory=dict)
    failures: dict[str, Exception] = dataclasses.field(default_factory=dict)

    def promote(self, name: str, number: int = 1) -> str:
        """Stores a version and promotes it; returns its name."""
        model = stored(self.store, dense(number), f"{name.removeprefix('models/')}/versions/{number}", LABELS)
        self.catalog.promote(model)
        return model.name

    def promote_judging(self, name: str, number: int = 1) -> str:
        """Stores a version with opinions and promotes it; returns its name."""
        graph = judging_graph(latent=8 * number)
        model = stored(self.store, graph, f"{name.removeprefix('models/')}/versions/{number}", LABELS)
        self.catalog.promote(model)
        return model.name

    def loaded(self) -> list[str]:
        """Returns the names of the versions in memory, the one used last at the end."""
        return [loaded.model.name for loaded in self.models.list()]

    async def serving(self, name: str) -> str:
        """Returns which version answers to a name, a moment from now."""
        await asyncio.sleep(3 * FRESH_S)
        with await self.models.use(name) as loaded:
            return loaded.model.name

    async def comes_to_serve(self, name: str, version: str) -> None:
        """Waits until a version answers to a name."""
        async with asyncio.timeout(30):
            while await self.serving(name) != version:
                pass


@contextlib.asynccontextmanager
async def setting(folder: Path, max_models: int = 100, max_bytes: int = 1 << 40) -> AsyncIterator[Setting]:
    catalog = FakeCatalog()
    store = ObjectStore(str(folder))
    real = engine_opener(store, plan_attempts([CPU]))

    def open_engine(model: model_pb2.Model, opinions: Collection[str] = ()) -> Engine:
        name = " with ".join([model.name, *opinions])
        made.opened[name] += 1
        if name in made.gates:
            assert made.gates[name].wait(30)
        if name in made.failures:
            raise made.failures[name]
        return real(model, opinions)

    async with serving_catalog(catalog) as address:
        channel = connect(address)
        registry = ModelRegistry(Catalog(channel, FRESH_S), open_engine, max_models, max_bytes)
        made = Setting(registry, catalog, store)
        try:
            yield made
        finally:
            for gate in made.gates.values():
                gate.set()
            for name in made.loaded():
                with contextlib.suppress(SynthmillError):
                    await registry.unload(name)
            await channel.close()


@pytest.fixture
async def here(tmp_path) -> AsyncIterator[Setting]:
    async with setting(tmp_path) as here:
        yield here


async def using(here: Setting, name: str, inside: Callable[[], object] = lambda: None) -> str:
    with await here.models.use(name) as loaded:
        inside()
        return loaded.model.name


async def test_many_callers_load_a_version_once(here):
    version = here.promote(A)
    here.gates[version] = threading.Event()
    callers = [asyncio.create_task(using(here, name)) for name in (A, version) * 10]
    await until(lambda: here.opened[version])
    await asyncio.sleep(0.02)
    here.gates[version].set()
    assert set(await asyncio.gather(*callers)) == {version}
    assert here.opened == {version: 1}


async def test_two_names_of_one_version_are_one_version_in_memory(here):
    version = here.promote(A)
    with await here.models.use(A) as one, await here.models.use(version) as other:
        assert one is other
        assert one.active_calls == 2
    assert here.loaded() == [version]
    assert here.opened == {version: 1}


async def test_old_version_serves_while_the_new_one_loads_and_then_the_new_one(here):
    old = here.promote(A, 1)
    assert await here.serving(A) == old
    new = here.promote(A, 2)
    here.gates[new] = threading.Event()
    assert [await here.serving(A) for _ in range(5)] == [old] * 5
    assert here.opened[new] == 1
    here.gates[new].set()
    await here.comes_to_serve(A, new)
    assert [await here.serving(A) for _ in range(3)] == [new] * 3
    # By its own name the old one is still there, and goes back to serve the bare name at once.
    assert await here.serving(old) == old
    here.catalog.promote(here.catalog.models[old])
    assert await here.serving(A) == old
    assert here.opened == {old: 1, new: 1}


async def test_call_keeps_the_version_it_began_with(here):
    old = here.promote(A, 1)
    with await here.models.use(A) as loaded:
        new = here.promote(A, 2)
        await here.comes_to_serve(A, new)
        assert loaded.model.name == old
        assert len(loaded.engine.sample(Draw(1, np.arange(3), np.zeros(3, np.int64)))["image"]) == 3


async def test_loading_on_request_waits_for_the_new_version(here):
    here.promote(A, 1)
    await here.serving(A)
    new = here.promote(A, 2)
    here.gates[new] = threading.Event()
    await asyncio.sleep(3 * FRESH_S)
    loading = asyncio.create_task(here.models.load(A, again=True))
    await until(lambda: here.opened[new])
    await asyncio.sleep(0.05)
    assert not loading.done()
    here.gates[new].set()
    assert (await loading).model.name == new
    assert await here.serving(A) == new


async def test_new_version_by_its_own_name_is_waited_for(here):
    here.promote(A, 1)
    await here.serving(A)
    new = here.promote(A, 2)
    assert await here.serving(new) == new


@pytest.mark.parametrize("damage", ["missing", "flipped"])
async def test_damaged_new_version_leaves_the_old_one(here, damage):
    old = here.promote(A, 1)
    await here.serving(A)
    new = here.promote(A, 2)
    spoil(here, new, damage)
    before = metric("sampling_load_failures_total", model=new)
    for _ in range(4):
        assert await here.serving(A) == old
    await until(lambda: metric("sampling_load_failures_total", model=new) == before + 1)
    # It is not tried again with every request.
    assert here.opened[new] == 1
    with pytest.raises(DataLoss):
        await here.serving(new)
    assert here.opened[new] == 1
    assert (await here.models.load(A, again=True)).model.name == old


async def test_damaged_version_with_none_before_it_is_refused_by_name(here):
    version = here.promote(A)
    spoil(here, version, "flipped")
    for name in (A, version):
        with pytest.raises(DataLoss, match=r"sampler\.onnx"):
            await here.serving(name)
    assert here.loaded() == []


async def test_version_that_failed_is_tried_again_when_asked_to(here):
    old = here.promote(A, 1)
    await here.serving(A)
    new = here.promote(A, 2)
    here.failures[new] = DataLoss("its file is not here yet")
    assert await here.serving(A) == old
    await until(lambda: here.opened[new] == 1)
    del here.failures[new]
    assert await here.serving(A) == old
    assert (await here.models.load(A, again=True)).model.name == new
    assert await here.serving(A) == new


async def test_error_of_another_kind_is_not_met_with_a_load_per_request(here):
    old = here.promote(A, 1)
    await here.serving(A)
    new = here.promote(A, 2)
    here.failures[new] = RuntimeError("ONNX Runtime: no memory for the weights")
    before = metric("sampling_load_failures_total", model=new)
    assert [await here.serving(A) for _ in range(5)] == [old] * 5
    assert here.opened[new] == 1
    assert metric("sampling_load_failures_total", model=new) == before + 1


async def test_graph_that_is_none_is_refused(here):
    artifact = here.store.put_bytes(b"not a graph", "sampler.onnx").to_proto()
    version = f"{A}/versions/1"
    here.catalog.promote(model_pb2.Model(name=version, artifacts=[artifact], digest=artifact.sha256))
    with pytest.raises(BadGraph):
        await here.serving(A)


async def test_caller_that_goes_away_does_not_take_the_version_from_others(here):
    version = here.promote(A)
    here.gates[version] = threading.Event()
    gone, kept = (asyncio.create_task(using(here, A)) for _ in range(2))
    await until(lambda: here.opened[version])
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    here.gates[version].set()
    assert await kept == version
    assert here.opened == {version: 1}


async def test_version_unused_for_longest_makes_room(tmp_path):
    async with setting(tmp_path, max_models=2) as here:
        a, b, c = (here.promote(name) for name in (A, B, C))
        for name in (A, B, A, C):
            await here.serving(name)
        assert here.loaded() == [a, c]
        await here.serving(B)
        assert here.loaded() == [c, b]
        assert here.opened == {a: 1, b: 2, c: 1}


async def test_memory_makes_room_as_numbers_do(tmp_path):
    async with setting(tmp_path / "one") as here:
        here.promote(A)
        one_bytes = (await here.models.load(A)).engine.memory_bytes
    async with setting(tmp_path / "many", max_bytes=int(2.5 * one_bytes)) as here:
        a, b, c = (here.promote(name) for name in (A, B, C))
        for name in (A, B, C):
            await here.serving(name)
        # The estimate depends a little on the batch that was found to be fastest.
        assert c in here.loaded()
        assert a not in here.loaded()
        assert sum(loaded.engine.memory_bytes for loaded in here.models.list()) <= 2.5 * one_bytes
        assert here.opened == {a: 1, b: 1, c: 1}


async def test_version_too_large_for_the_budget_is_served_all_the_same(tmp_path):
    async with setting(tmp_path, max_bytes=1) as here:
        a, b = here.promote(A), here.promote(B)
        assert await here.serving(A) == a
        assert await here.serving(B) == b
        assert here.loaded() == [b]


async def test_version_in_use_is_never_dropped(tmp_path):
    async with setting(tmp_path, max_models=1) as here:
        a, b, c = (here.promote(name) for name in (A, B, C))
        with await here.models.use(A) as loaded:
            await here.serving(B)
            assert here.loaded() == [a, b]
            await here.serving(C)
            assert here.loaded() == [a, c]
            assert loaded.active_calls == 1
        await here.serving(B)
        assert here.loaded() == [b]


async def test_old_version_makes_room_for_the_new_one_only_when_that_is_ready(tmp_path):
    async with setting(tmp_path, max_models=1) as here:
        old = here.promote(A, 1)
        await here.serving(A)
        new = here.promote(A, 2)
        here.gates[new] = threading.Event()
        assert [await here.serving(A) for _ in range(3)] == [old] * 3
        here.gates[new].set()
        await here.comes_to_serve(A, new)
        assert here.loaded() == [new]


async def test_unloading_waits_for_calls_and_new_ones_load_again(here):
    version = here.promote(A)
    with await here.models.use(A):
        unloading = asyncio.create_task(here.models.unload(version))
        await asyncio.sleep(0.02)
        assert here.loaded() == []
        assert not unloading.done()
    await unloading
    assert await here.serving(A) == version
    assert here.opened == {version: 2}


async def test_unloading_needs_the_name_of_a_version_in_memory(here):
    version = here.promote(A)
    with pytest.raises(NotFound):
        await here.models.unload(version)
    for name in (A, "nonsense", f"{A}/versions/x"):
        with pytest.raises(InvalidField):
            await here.models.unload(name)


async def test_names_are_checked_and_unknown_ones_not_found(here):
    with pytest.raises(InvalidField):
        await here.serving("nonsense")
    with pytest.raises(NotFound):
        await here.serving("models/unknown")


async def test_what_is_in_memory_serves_without_the_catalog(here):
    version = here.promote(A)
    await here.serving(A)
    here.catalog.reachable = False
    assert await here.serving(A) == version


async def test_metrics_tell_what_is_in_memory(here):
    before = metric("sampling_loaded_models")
    version = here.promote(A)
    await here.serving(A)
    provider = {"model": version, "provider": CPU, "reason": "first choice"}
    assert metric("sampling_loaded_models") == before + 1
    assert metric("sampling_provider", **provider) == 1
    await here.models.unload(version)
    assert metric("sampling_loaded_models") == before
    assert metric("sampling_provider", **provider) == 0


async def test_swaps_under_load_fail_nobody(here):
    here.promote(A, 1)
    await here.serving(A)
    served: Counter = Counter()
    swapping = True

    async def caller() -> None:
        while swapping:
            with await here.models.use(A) as loaded:
                await asyncio.sleep(0.002)
                served[loaded.model.name] += 1

    callers = [asyncio.create_task(caller()) for _ in range(5)]
    for number in (2, 3, 4):
        await here.comes_to_serve(A, here.promote(A, number))
    swapping = False
    await asyncio.gather(*callers)
    assert set(served) == {f"{A}/versions/{number}" for number in (1, 2, 3, 4)}


def spoil(here: Setting, version: str, damage: str) -> None:
    """Damages the file of a version."""
    path = here.store.local_path(Artifact.from_proto(here.catalog.models[version].artifacts[0]))
    if damage == "missing":
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
