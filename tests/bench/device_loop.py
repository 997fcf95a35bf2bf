"""A sampler graph alone on a device: `python -m bench.device_loop GRAPH ...`; prints a line of JSON.

Two loops, by size of batch. `bare` is ONNX Runtime and nothing else: inputs and outputs stay on the device, one run
after the other. `copied` brings the samples to the host as the service does, three batches under way.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.gpu_options import cuda_options, session_options
from synthmill.sampling.hardware import CPU, CUDA, PRECISIONS, GpuSettings
from synthmill.sampling.providers import TRAITS
from synthmill.sampling.runners import Runner
from synthmill.sampling.signature import INDEX, LABEL, SEED, Signature, read_signature
from synthmill.sampling.slots import Shape, input_fields, output_fields

_IN_FLIGHT = TRAITS[CUDA].in_flight
_WARM_RUNS = 3


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("--labels", default="[]", help="class names as JSON")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--graphs", action="store_true", help="replay batches as CUDA graphs")
    parser.add_argument("--provider", default=CUDA)
    given = parser.parse_args()
    data, labels = given.graph.read_bytes(), json.loads(given.labels)
    settings = GpuSettings(precision=given.precision, graphs=given.graphs)
    runner = plan_attempts([given.provider], gpu=settings)[0].open(data)
    signature = read_signature(runner.session, labels)
    rates = {
        "copied": {size: copied_rate(runner, signature, size, given.seconds) for size in given.sizes},
        "bare": {
            size: bare_rate(data, signature, settings, given.provider, size, given.seconds) for size in given.sizes
        },
    }
    runner.close()
    print(json.dumps({**rates, "sample_bytes": signature.sample_bytes}))


def copied_rate(runner: Runner, signature: Signature, size: int, seconds: float) -> float:
    """Returns the samples a second that arrive in the host's memory."""
    slots = [runner.make_slot(signature, Shape(size)) for _ in range(_IN_FLIGHT)]
    for slot in slots:
        slot.inputs[INDEX][:] = np.arange(size)
    rate = _rate([slot.run for slot in slots], size, seconds)
    for slot in slots:
        slot.close()
    return rate


def bare_rate(
    graph: bytes, signature: Signature, settings: GpuSettings, provider: str, size: int, seconds: float
) -> float:
    """Returns the samples a second that ONNX Runtime alone computes on the device."""
    device = "cpu" if provider == CPU else "cuda"
    options = cuda_options(settings, 0, captures=settings.graphs) if provider == CUDA else {}
    options.pop("user_compute_stream", None)
    session = onnxruntime.InferenceSession(graph, session_options(), [(provider, options)], enable_fallback=0)
    binding = session.io_binding()
    inputs = {SEED: np.zeros(1, np.uint64), INDEX: np.arange(size), LABEL: np.arange(size) % max(signature.classes, 1)}
    # A value that is not held is gone, and what is bound to it with it.
    held = []
    for field in input_fields(signature, Shape(size)):
        held.append(onnxruntime.OrtValue.ortvalue_from_numpy(inputs[field.name], device, 0))
        binding.bind_ortvalue_input(field.name, held[-1])
    for field in output_fields(signature, Shape(size)):
        made = onnxruntime.OrtValue.ortvalue_from_shape_and_type(field.shape, field.dtype.type, device, 0)
        held.append(made)
        binding.bind_ortvalue_output(field.name, made)
    return _rate([lambda: session.run_with_iobinding(binding)], size, seconds)


def _rate(runs: Sequence[Callable[[], None]], size: int, seconds: float) -> float:
    """Returns the samples a second of loops side by side; the first is in this thread, where its graph was captured."""
    for run in runs:
        for _ in range(_WARM_RUNS):
            run()
    end = time.perf_counter() + seconds
    counts = [0] * len(runs)

    def loop(number: int) -> None:
        while time.perf_counter() < end:
            runs[number]()
            counts[number] += size

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(1, len(runs))]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    loop(0)
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
