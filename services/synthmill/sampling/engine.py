"""Runs one sampler graph: samples by index, in fixed batch sizes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import onnxruntime

from synthmill.runtime.errors import Cancelled
from synthmill.sampling import metrics
from synthmill.sampling.batches import Columns, agreeing_buckets, plan_batches, usable_buckets
from synthmill.sampling.providers import ProviderChoice

_DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}


class Engine:
    """A sampler graph ready to run; safe to use from several threads.

    Attributes:
        model: name of the model version.
        classes: number of classes, zero if the graph takes no label.
        provider: what it runs on and why.
        truncatable: whether the graph scales its latent vector.
        sample_bytes: size of one sample without its label.
        buckets: batch sizes in use; `start` finds them.
    """

    def __init__(
        self, model: str, session: onnxruntime.InferenceSession, provider: ProviderChoice, classes: int
    ) -> None:
        self.model = model
        self.classes = classes
        self.provider = provider
        self._session = session
        self._columns = {output.name: (_DTYPES[output.type], output.shape[1:]) for output in session.get_outputs()}
        self.truncatable = any(value.name == "truncation" for value in session.get_overridable_initializers())
        self.sample_bytes = sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in self._columns.values())
        self.buckets: tuple[int, ...] = (1,)

    def start(self) -> None:
        """Runs every batch size once or more, and keeps those that agree to the bit."""

        def probe(index: np.ndarray) -> Columns:
            label = index % self.classes if self.classes else None
            return self._run_batch(0, index, label, None)

        self.buckets = agreeing_buckets(probe, usable_buckets(self.sample_bytes), self.model)

    def sample(
        self,
        seed: int,
        index: np.ndarray,
        label: np.ndarray | None = None,
        truncation: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Columns:
        """Computes samples.

        Args:
            seed: in [0, 2^64).
            index: int64 (N,), each in [0, 2^48), N at least 1.
            label: int64 (N,), each in [0, classes); None if the graph takes none.
            truncation: scale of the latent vector; None leaves it to the graph.
            stopped: asked before each batch whether to give up.

        Returns:
            The graph's outputs by name, each with N rows.

        Raises:
            Cancelled: `stopped` said so.
        """
        count = len(index)
        columns = {name: np.empty((count, *shape), dtype) for name, (dtype, shape) in self._columns.items()}
        start = 0
        for bucket in plan_batches(count, self.buckets):
            if stopped():
                raise Cancelled("sampling was stopped")
            end = min(start + bucket, count)
            part = slice(start, end)
            batch = self._run_batch(
                seed, _fill_up(index[part], bucket), None if label is None else _fill_up(label[part], bucket), truncation
            )
            for name, column in columns.items():
                column[part] = batch[name][: end - start]
            start = end
        metrics.SAMPLES.labels(self.model).inc(count)
        return columns

    def _run_batch(self, seed: int, index: np.ndarray, label: np.ndarray | None, truncation: float | None) -> Columns:
        feeds = {"seed": np.array(seed, np.uint64), "index": index}
        if label is not None:
            feeds["label"] = label
        if truncation is not None:
            feeds["truncation"] = np.array(truncation, np.float32)
        began = time.perf_counter()
        outputs = self._session.run(list(self._columns), feeds)
        metrics.COMPUTE_SECONDS.labels(str(len(index))).observe(time.perf_counter() - began)
        return dict(zip(self._columns, outputs, strict=True))


def _fill_up(values: np.ndarray, size: int) -> np.ndarray:
    """Repeats the last value until there are `size` of them."""
    return np.pad(values, (0, size - len(values)), mode="edge") if len(values) < size else values
