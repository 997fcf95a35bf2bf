"""The generator that every peer serves, and the bare loop of it; runs in the peers' environment, not in ours.

`python generator.py MODEL.onnx BATCH SECONDS THREADS SESSIONS` prints the samples a second of the loop, and those per
second of processor time.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import onnxruntime

MODEL = "SYNTHMILL_PEER_MODEL"


def open_generator(path: str, threads: int, seed: int = 0) -> Callable[[int], np.ndarray]:
    """Returns what makes so many samples, from noise of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    latents = session.get_inputs()[0]
    noise = np.random.default_rng(seed)

    def generate(count: int) -> np.ndarray:
        z = noise.standard_normal((count, latents.shape[1]), dtype=np.float32)
        return session.run(None, {latents.name: z})[0]

    return generate


def open_served() -> Callable[[int], np.ndarray]:
    """Returns the generator of the file that the environment names, on all processors."""
    return open_generator(os.environ[MODEL], len(os.sched_getaffinity(0)))


def loop_rate(path: str, batch: int, seconds: float, threads: int, sessions: int) -> tuple[float, float]:
    """Runs generators side by side, each from a thread of its own.

    Returns:
        Samples a second, and samples per second of processor time.
    """
    generators = [open_generator(path, threads, seed) for seed in range(sessions)]
    rates, counts = [0.0] * sessions, [0] * sessions

    def run(number: int) -> None:
        begin = time.perf_counter()
        while (elapsed_s := time.perf_counter() - begin) < seconds:
            generators[number](batch)
            counts[number] += batch
        rates[number] = counts[number] / elapsed_s

    for generate in generators:
        generate(batch)
    used_s = time.process_time()
    workers = [threading.Thread(target=run, args=(number,)) for number in range(sessions)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates), sum(counts) / (time.process_time() - used_s)


if __name__ == "__main__":
    given_path, *given = sys.argv[1:]
    print(*loop_rate(given_path, int(given[0]), float(given[1]), int(given[2]), int(given[3])))
