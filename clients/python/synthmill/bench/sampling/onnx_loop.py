"""The bare loop that the service is compared with: ONNX Runtime alone, in a process of its own."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from synthmill.bench.processes import own_cpu_seconds
from synthmill.runtime.errors import BadGraph

if TYPE_CHECKING:
    import onnxruntime

_WARM_RUNS = 2
_DTYPES = {"tensor(float)": np.float32, "tensor(uint64)": np.uint64, "tensor(int64)": np.int64}
SEED, INDEX, LABEL = "seed", "index", "label"


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a loop runs a graph.

    Attributes:
        path: the graph's file.
        threads: threads of each session.
        sessions: sessions that run side by side, each from a thread of its own.
        batch: samples of a run.
        bound: whether outputs go to buffers that stay, by IOBinding, instead of new arrays.
        provider: execution provider.
    """

    path: str
    threads: int
    sessions: int
    batch: int
    bound: bool = False
    provider: str = "CPUExecutionProvider"

    @property
    def title(self) -> str:
        """The setting in a few words."""
        bound = ", bound" if self.bound else ""
        return f"{self.sessions} x {self.threads} threads, batch {self.batch}{bound}"


def loop_rate(setting: dict[str, Any], seconds: float, classes: int = 0) -> dict[str, float]:
    """Runs a graph over and over, and tells the samples a second, and per second of processor time.

    Args:
        setting: fields of `Setting`.
        seconds: how long.
        classes: number of classes that the labels of a graph with a label input go through.
    """
    given = Setting(**setting)
    runs = [_runner(given, session, classes) for session in _sessions(given)]
    for run in runs:
        for _ in range(_WARM_RUNS):
            run()
    rates = [0.0] * len(runs)
    barrier = threading.Barrier(len(runs))

    counts = [0] * len(runs)

    def loop(number: int) -> None:
        barrier.wait()
        begin, done = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - begin) < seconds:
            runs[number]()
            done += 1
        counts[number] = done * given.batch
        rates[number] = counts[number] / elapsed_s

    begin_cpu_s = own_cpu_seconds()
    threads = [threading.Thread(target=loop, args=(number,)) for number in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"samples_per_s": sum(rates), "samples_per_cpu_s": sum(counts) / (own_cpu_seconds() - begin_cpu_s)}


def run_latency(setting: dict[str, Any], seconds: float, classes: int = 0) -> dict[str, Any]:
    """Runs a graph over and over, and tells the latency of each run; arguments as `loop_rate`."""
    given = Setting(**setting)
    run = _runner(given, _sessions(given)[0], classes)
    for _ in range(_WARM_RUNS):
        run()
    latencies_us, end = [], time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        run()
        latencies_us.append(int((time.perf_counter() - begin) * 1e6))
    return {"answered_us": latencies_us}


# Only the last ones stay open: each session keeps memory for the largest batch that it has run.
@functools.lru_cache(maxsize=1)
def _opened(path: str, threads: int, sessions: int, provider: str) -> list[onnxruntime.InferenceSession]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return [onnxruntime.InferenceSession(path, options, providers=[provider]) for _ in range(sessions)]


def _sessions(setting: Setting) -> list[onnxruntime.InferenceSession]:
    return _opened(setting.path, setting.threads, setting.sessions, setting.provider)


def _runner(setting: Setting, session: onnxruntime.InferenceSession, classes: int) -> Callable[[], None]:
    """Returns what runs the next batch."""
    from onnxruntime import OrtValue

    feeds = _feeds(session, setting.batch, classes)
    index = feeds.get(INDEX)
    names = [output.name for output in session.get_outputs()]
    # Strings have no buffers of a fixed size.
    if not setting.bound or any(output.type == "tensor(string)" for output in session.get_outputs()):

        def run() -> None:
            _advance(index)
            session.run(names, feeds)

        return run
    binding = session.io_binding()
    for name, value in zip(names, session.run(names, feeds), strict=True):
        binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_shape_and_type(value.shape, value.dtype))

    def run_bound() -> None:
        _advance(index)
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        session.run_with_iobinding(binding)

    return run_bound


def _advance(index: np.ndarray | None) -> None:
    if index is not None:
        index += len(index)


def _feeds(session: onnxruntime.InferenceSession, batch: int, classes: int) -> dict[str, np.ndarray]:
    """Makes the inputs of a sampler graph, or of a plain one, which gets noise that was there before.

    Raises:
        BadGraph: an input is of neither.
    """
    generator = np.random.default_rng(0)
    feeds: dict[str, np.ndarray] = {}
    for value in session.get_inputs():
        dtype = _DTYPES.get(value.type)
        if value.name == SEED and dtype is np.uint64:
            feeds[SEED] = np.zeros([1] * len(value.shape), dtype)
        elif value.name == INDEX and dtype is np.int64:
            feeds[INDEX] = np.arange(batch, dtype=dtype)
        elif dtype is np.int64 and len(value.shape) == 1:
            feeds[value.name] = np.arange(batch, dtype=dtype) % max(classes, 1)
        elif dtype is np.float32 and all(isinstance(extent, int) for extent in value.shape[1:]):
            feeds[value.name] = generator.standard_normal((batch, *value.shape[1:]), dtype)
        else:
            raise BadGraph(
                f"the input {value.name!r} is {value.type} {value.shape}: neither a sampler graph's nor noise"
            )
    return feeds
