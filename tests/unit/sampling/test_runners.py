"""Batches on a device: the same code with memory of this process in its place, against batches on the CPU."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from unit.graph.generators import LABELS
from unit.sampling.memory_device import MemoryDevice, runner_of
from unit.sampling.serving import engine_of, floats_graph, words_graph

from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.device import DeviceError
from synthmill.sampling.engine import Draw, Engine
from synthmill.sampling.hardware import CPU, CUDA
from synthmill.sampling.providers import TRAITS, Attempt, ProviderChoice, use_first
from synthmill.sampling.runners import DeviceRunner, HostRunner, extremes
from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION, Signature, read_signature
from synthmill.sampling.slots import Shape, Slot

GRAPH = floats_graph(width=40, labels=LABELS)
SHAPES = [Shape(*given) for given in itertools.product((1, 16, 64), (True, False), (False, True))]
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def data() -> bytes:
    return GRAPH.SerializeToString()


@pytest.fixture(scope="module")
def on_cpu(data) -> HostRunner:
    return plan_attempts([CPU])[0].open(data)


@pytest.fixture
def device() -> MemoryDevice:
    return MemoryDevice()


@pytest.fixture
def runner(data, device) -> DeviceRunner:
    opened = runner_of(data, device)
    yield opened
    opened.close()


@pytest.fixture
def signature(runner) -> Signature:
    return read_signature(runner.session, LABELS)


def fill(slot: Slot, first: int) -> None:
    """Gives a slot inputs of its own."""
    index = np.arange(first, first + slot.shape.size)
    slot.inputs[INDEX][:] = index
    slot.inputs[LABEL][:] = index % len(LABELS)
    slot.inputs[SEED][:] = index[: len(slot.inputs[SEED])]
    if TRUNCATION in slot.inputs:
        slot.inputs[TRUNCATION][:] = 0.5 + index[: len(slot.inputs[TRUNCATION])] % 3


def computed(slot: Slot, first: int) -> dict[str, bytes]:
    fill(slot, first)
    slot.run()
    return {name: column.tobytes() for name, column in slot.outputs.items()}


def device_engine(graph: onnx.ModelProto, device: MemoryDevice, labels=(), **more) -> Engine:
    data = graph.SerializeToString()
    runner = runner_of(data, device, **more)
    signature = read_signature(runner.session, labels)
    return Engine("models/m/versions/1", runner, ProviderChoice(CUDA, "asked for"), signature, len(data))


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batches_are_those_of_the_cpu(runner, signature, shape, on_cpu):
    there, here = runner.make_slot(signature, shape), on_cpu.make_slot(signature, shape)
    for first in (0, 7, 1 << 40):
        assert computed(there, first) == computed(here, first)


def test_a_batch_keeps_its_addresses(runner, signature, device):
    slot = runner.make_slot(signature, Shape(16))
    before = {name: array.ctypes.data for name, array in (slot.inputs | slot.outputs).items()}, set(device.blocks)
    for first in range(1000):
        fill(slot, first)
        slot.run()
    after = {name: array.ctypes.data for name, array in (slot.inputs | slot.outputs).items()}, set(device.blocks)
    assert after == before


def test_one_thread_gives_all_orders_and_whoever_wants_the_batch_waits_for_it(runner, signature, device):
    slots = [runner.make_slot(signature, Shape(16)) for _ in range(3)]
    with ThreadPoolExecutor(3, thread_name_prefix="worker") as threads:
        list(threads.map(lambda slot: computed(slot, 5), slots))
    assert len(device.orders) == 1
    assert device.orders != {threading.current_thread().name}
    assert {name.partition("_")[0] for name in device.waits} == {"worker", threading.current_thread().name}


def test_every_batch_made_while_loading_has_a_graph_and_those_made_later_have_none(runner, signature):
    loaded = [runner.make_slot(signature, shape) for shape in (Shape(1), Shape(16), Shape(16))]
    assert sorted(set(runner.session.graphs)) == [1, 2, 3]
    runner.session.graphs.clear()
    runner.seal()
    late = runner.make_slot(signature, Shape(16))
    assert runner.session.graphs == []
    found = [computed(slot, 3) for slot in (*loaded[1:], late)]
    assert runner.session.graphs == [2, 3, -1]
    assert found[0] == found[1] == found[2]


def test_graphs_may_be_off(data, device):
    runner = runner_of(data, device, captures=False)
    computed(runner.make_slot(read_signature(runner.session, LABELS), Shape(16)), 1)
    assert set(runner.session.graphs) == {-1}
    runner.close()


def test_replays_of_old_inputs_are_found_out(data, device):
    runner = runner_of(data, device, stale=True)
    with pytest.raises(DeviceError, match="batch of 16"):
        runner.make_slot(read_signature(runner.session, LABELS), Shape(16))
    runner.close()


def test_strings_have_no_place_on_a_device(device):
    data = words_graph().SerializeToString()
    runner = runner_of(data, device)
    with pytest.raises(DeviceError, match="strings"):
        runner.prepare(read_signature(runner.session, ()), [1, 16])
    runner.close()


def test_provider_that_builds_for_what_it_has_seen_sees_the_extremes_first(data, device):
    assert extremes([4, 16, 64], truncatable=True) == (Shape(64, shared=False, truncated=True), Shape(4))
    assert extremes([4], truncatable=False) == (Shape(4, shared=False), Shape(4))
    runner = runner_of(data, device, captures=False, stretches=True)
    runner.prepare(read_signature(runner.session, LABELS), [1, 16])
    assert len(runner.session.graphs) == 4
    assert not device.blocks
    runner.close()


def test_closing_gives_everything_back_and_ends_the_thread(data, device):
    runner = runner_of(data, device)
    for shape in SHAPES:
        runner.make_slot(read_signature(runner.session, LABELS), shape)
    owner = next(iter(device.orders))
    assert device.blocks
    runner.close()
    until(lambda: not device.open_now)
    assert not device.blocks
    until(lambda: owner not in {thread.name for thread in threading.enumerate()})


def test_engine_that_nobody_needs_gives_everything_back(device):
    engine = device_engine(floats_graph(width=5), device)
    engine.sample(Draw(1, np.arange(10)))
    assert device.blocks
    del engine
    gc.collect()
    until(lambda: not device.open_now)
    assert not device.blocks


@pytest.mark.parametrize("sealed", [False, True])
def test_what_was_built_is_forgotten_if_the_loading_fails(data, device, sealed):
    forgotten = []
    runner = runner_of(data, device, forget=forgotten.append)
    if sealed:
        runner.seal()
    runner.close()
    assert forgotten == ([] if sealed else [device])


def test_engine_makes_its_batches_before_there_is_traffic(device):
    engine = device_engine(floats_graph(width=1000), device)
    traits = TRAITS[CUDA]
    kept = [size for size in traits.limits.sizes if size * engine.signature.sample_bytes <= traits.limits.max_bytes]
    # An input and an output block for each batch: of each size, with one seed or many, as many as are in flight.
    assert len(device.blocks) == 2 * len(kept) * 2 * traits.in_flight
    before = set(device.blocks)
    for _ in range(200):
        engine.sample(Draw(1, np.arange(300)))
    assert set(device.blocks) == before
    assert not engine.inline


def test_engine_gives_the_samples_of_the_cpu(device):
    there, here = device_engine(GRAPH, device, LABELS), engine_of(GRAPH, LABELS)
    for count, truncation in itertools.product((1, 3, 100), (None, 0.7)):
        index = np.arange(count) + 11
        draw = Draw(9, index, index % len(LABELS), truncation)
        found, expected = there.sample(draw), here.sample(draw)
        assert {name: column.tobytes() for name, column in found.items()} == {
            name: column.tobytes() for name, column in expected.items()
        }


def test_workers_never_see_the_samples_of_one_another(device):
    engine = device_engine(floats_graph(width=300), device)
    expected = {seed: engine.sample(Draw(seed, np.arange(200)))["x"].tobytes() for seed in range(4)}

    def work(seed: int) -> int:
        return sum(engine.sample(Draw(seed, np.arange(200)))["x"].tobytes() == expected[seed] for _ in range(25))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [25] * 4


def test_graph_whose_replays_are_wrong_is_run_without_them(data):
    def use(runner, choice):
        return Engine("models/m/versions/1", runner, choice, read_signature(runner.session, LABELS), len(data))

    bad, good = MemoryDevice(), MemoryDevice()
    attempts = [
        Attempt(CUDA, "with graphs", lambda graph: runner_of(graph, bad, stale=True)),
        Attempt(CUDA, "without", lambda graph: runner_of(graph, good, captures=False)),
        Attempt(CPU, "the CPU", lambda graph: pytest.fail("not needed")),
    ]
    engine = use_first(data, attempts, use, available=[CUDA, CPU])
    assert engine.provider.name == CUDA
    assert engine.provider.reason.startswith("with graphs: ")
    until(lambda: not bad.open_now)
    assert good.open_now
    index = np.arange(20)
    draw = Draw(3, index, index % len(LABELS))
    assert engine.sample(draw)["x"].tobytes() == engine_of(GRAPH, LABELS).sample(draw)["x"].tobytes()


def test_runner_of_the_cpu_is_ready_at_once(on_cpu):
    signature = read_signature(on_cpu.session, LABELS)
    on_cpu.prepare(signature, [1])
    on_cpu.seal()
    on_cpu.close()
    assert set(computed(on_cpu.make_slot(signature, Shape(2)), 0)) == {"x", "z"}
