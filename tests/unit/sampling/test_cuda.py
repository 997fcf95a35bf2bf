"""Sampling on a GPU; without one, all of this is skipped, and says so.

How far a GPU's samples may lie from a CPU's: latent vectors by the rounding of logarithms and sines, floats of a
network by that of its sums, pixels by one level where a value falls between two.
"""

from __future__ import annotations

import gc
import itertools
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import LABELS, model_of
from unit.sampling.serving import dense, engine_of, floats_graph, metric, serving, slow_graph

from support.gpu import why_no_cuda, why_no_tensorrt
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import compose
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.engine import Draw, Engine
from synthmill.sampling.hardware import CPU, CUDA, TENSORRT, GpuSettings
from synthmill.sampling.providers import use_first
from synthmill.sampling.signature import read_signature

pytestmark = pytest.mark.skipif(bool(why_no_cuda()), reason=why_no_cuda())

GRAPHS = {"floats": (floats_graph(width=64), ()), "convolutions": (slow_graph(2), ()), "pixels": (dense(), LABELS)}
LATENT_TOLERANCE = 2e-5
FLOAT_TOLERANCE = 1e-4
TF32_TOLERANCE = 2e-2
HALF_TOLERANCE = 5e-2
DIFFERING_PIXELS = 1e-3
MIB = 1 << 20


def gpu_engine(
    graph: onnx.ModelProto, labels=(), wanted=(CUDA,), name: str = "models/m/versions/1", **settings
) -> Engine:
    data = graph.SerializeToString()

    def use(runner, choice):
        return Engine(name, runner, choice, read_signature(runner.session, labels), len(data))

    return use_first(data, plan_attempts(wanted, gpu=GpuSettings(**settings)), use)


@pytest.fixture(scope="module", params=GRAPHS)
def case(request):
    """A graph's labels, its engine on the GPU, and the one on the CPU."""
    graph, labels = GRAPHS[request.param]
    return labels, gpu_engine(graph, labels), engine_of(graph, labels)


def draw_of(count: int, labels=(), seed: int = 5, first: int = 0, truncation: float | None = None) -> Draw:
    index = np.arange(first, first + count)
    return Draw(seed, index, index % len(labels) if labels else None, truncation)


def in_bytes(columns: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: column.tobytes() for name, column in columns.items()}


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    if expected.dtype == np.uint8:
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= 1
        assert (difference > 0).mean() <= DIFFERING_PIXELS
    else:
        assert np.isfinite(found).all()
        assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def gpu_bytes_free() -> int:
    from cuda.bindings import runtime

    error, free, _total = runtime.cudaMemGetInfo()
    assert error == runtime.cudaError_t.cudaSuccess
    return free


def resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_graph_is_captured_and_the_gpu_the_first_choice(case):
    _, engine, _ = case
    assert (engine.provider.name, engine.provider.reason) == (CUDA, "first choice")


@pytest.mark.parametrize(("count", "truncation"), [(1, None), (100, None), (3000, None), (100, 0.7)])
def test_samples_are_those_of_the_cpu_but_for_rounding(case, count, truncation):
    labels, there, here = case
    draw = draw_of(count, labels, truncation=truncation)
    found, expected = there.sample(draw), here.sample(draw)
    for name, column in expected.items():
        assert_close(found[name], column, LATENT_TOLERANCE if name == "z" else FLOAT_TOLERANCE)


def test_samples_have_the_same_bytes_however_they_are_grouped(case):
    labels, engine, _ = case
    whole = engine.sample(draw_of(2000, labels))
    for size, first in itertools.product((1, 7, 64, 300), (0, 113, 1500)):
        part = engine.sample(draw_of(size, labels, first=first))
        assert in_bytes(part) == in_bytes({name: column[first : first + size] for name, column in whole.items()})


def test_samples_have_the_same_bytes_with_requests_of_other_seeds(case):
    labels, engine, _ = case
    draws = [draw_of(17, labels, seed, first=seed % 100) for seed in (1, 2, 2**64 - 1)]
    drawn = engine.compute(draws)
    for number, draw in enumerate(draws):
        expected = engine.sample(draw)
        for name, column in expected.items():
            found = np.concatenate(drawn.pieces(name, 17 * number, 17 * number + 17))
            assert found.tobytes() == column.tobytes()
    engine.release(drawn)


@pytest.mark.parametrize("name", GRAPHS)
def test_replays_of_graphs_change_no_byte(name):
    graph, labels = GRAPHS[name]
    captured, plain = gpu_engine(graph, labels), gpu_engine(graph, labels, graphs=False)
    assert plain.provider.reason == "first choice"
    for count in (1, 50, 2500):
        draw = draw_of(count, labels)
        assert in_bytes(captured.sample(draw)) == in_bytes(plain.sample(draw))


def test_loading_again_changes_no_byte(case):
    labels, engine, _ = case
    graph = next(graph for graph, own in GRAPHS.values() if graph_columns(graph) == engine.signature.outputs)
    draw = draw_of(1000, labels)
    assert in_bytes(gpu_engine(graph, labels).sample(draw)) == in_bytes(engine.sample(draw))


def graph_columns(graph: onnx.ModelProto) -> tuple[str, ...]:
    return tuple(output.name for output in graph.graph.output)


def test_addresses_and_memory_stay_over_a_thousand_runs(case):
    labels, engine, _ = case

    def addresses() -> set[int]:
        drawn = engine.compute([draw_of(300, labels)])
        found = {piece.ctypes.data for name in engine.signature.outputs for piece in drawn.pieces(name)}
        engine.release(drawn)
        return found

    before, free, resident = addresses(), gpu_bytes_free(), resident_bytes()
    for _ in range(1000):
        assert addresses() == before
    assert abs(free - gpu_bytes_free()) < 8 * MIB
    assert resident_bytes() - resident < 16 * MIB


def test_threads_never_see_the_samples_of_one_another(case):
    labels, engine, _ = case
    expected = {seed: in_bytes(engine.sample(draw_of(200, labels, seed))) for seed in range(6)}

    def work(seed: int) -> int:
        return sum(in_bytes(engine.sample(draw_of(200, labels, seed))) == expected[seed] for _ in range(50))

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(work, range(6))) == [50] * 6


def test_loading_another_model_disturbs_nobody():
    graph, labels = GRAPHS["convolutions"]
    engine = gpu_engine(graph, labels)
    expected = in_bytes(engine.sample(draw_of(500)))
    stop, right, wrong = threading.Event(), [], []

    def sample() -> None:
        while not stop.is_set():
            (right if in_bytes(engine.sample(draw_of(500))) == expected else wrong).append(1)

    with ThreadPoolExecutor(2) as threads:
        traffic = [threads.submit(sample) for _ in range(2)]
        others = [gpu_engine(*GRAPHS[name]) for name in ("floats", "pixels") * 3]
        stop.set()
        for each in traffic:
            each.result()
    assert {other.provider.reason for other in others} == {"first choice"}
    assert right
    assert not wrong


def test_models_that_are_dropped_give_their_memory_back():
    def load_and_drop() -> int:
        gpu_engine(*GRAPHS["convolutions"]).sample(draw_of(100))
        gc.collect()
        time.sleep(0.5)
        return gpu_bytes_free()

    first = load_and_drop()
    for _ in range(5):
        last = load_and_drop()
    assert first - last < 32 * MIB


def test_operator_that_cuda_lacks_costs_the_graphs_but_not_the_gpu():
    engine = gpu_engine(one_operator("Sinh"))
    assert engine.provider.name == CUDA
    assert "graph capture" in engine.provider.reason
    expected = engine_of(one_operator("Sinh")).sample(draw_of(100))
    assert_close(engine.sample(draw_of(100))["x"], expected["x"], FLOAT_TOLERANCE)


def one_operator(operator: str) -> onnx.ModelProto:
    builder = GraphBuilder("one")
    builder.add(operator, "latent", output="x")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in ("latent", "x")]
    about = GraphMetadata(kind="tensor", schema={})
    return compose(model_of(builder, ends[:1], ends[1:]), about, latent="latent", label=None)


def test_less_precision_is_still_near():
    graph, labels = GRAPHS["convolutions"]
    expected = engine_of(graph, labels).sample(draw_of(200))["x"]
    assert_close(gpu_engine(graph, labels, precision="tf32").sample(draw_of(200))["x"], expected, TF32_TOLERANCE)


def test_memory_limit_that_is_too_small_sends_the_model_to_the_cpu():
    engine = gpu_engine(*GRAPHS["convolutions"], wanted=(CUDA, CPU), memory_bytes=MIB)
    assert engine.provider.name == CPU
    assert CUDA in engine.provider.reason


@pytest.mark.skipif(bool(why_no_tensorrt()), reason=why_no_tensorrt())
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", TF32_TOLERANCE), ("float16", HALF_TOLERANCE)])
def test_tensorrt_is_near_and_its_engine_is_found_again(precision, tolerance, tmp_path):
    graph, labels = GRAPHS["convolutions"]
    settings = {"wanted": (TENSORRT,), "precision": precision, "cache": tmp_path}
    began = time.monotonic()
    engine = gpu_engine(graph, labels, **settings)
    built_s = time.monotonic() - began
    assert_close(engine.sample(draw_of(200))["x"], engine_of(graph).sample(draw_of(200))["x"], tolerance)
    assert list(tmp_path.rglob("*.engine"))
    began = time.monotonic()
    again = gpu_engine(graph, labels, **settings)
    assert time.monotonic() - began < built_s
    assert in_bytes(again.sample(draw_of(200))) == in_bytes(engine.sample(draw_of(200)))


async def test_service_tells_what_a_model_runs_on_and_streams_from_it(tmp_path):
    async with serving(tmp_path) as service:
        service.publish(dense(), "shapes/versions/1", LABELS)
        chunks = [chunk async for chunk in service.stream("models/shapes", 5000, seed=5)]
        (loaded,) = await service.client.sampling.list_loaded_models()
        assert (loaded.provider, loaded.provider_reason) == (CUDA, "first choice")
        series = {"model": "models/shapes/versions/1", "provider": CUDA, "reason": "first choice"}
        assert metric("sampling_provider", **series) == 1
    assert sum(chunk.count for chunk in chunks) == 5000
