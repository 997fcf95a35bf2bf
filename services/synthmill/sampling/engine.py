"""Runs one sampler graph: samples by index, in fixed batch sizes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnxruntime

from synthmill.runtime.errors import Cancelled
from synthmill.sampling import metrics
from synthmill.sampling.batches import Columns, agreeing_buckets, fill_up, plan_batches, usable_buckets
from synthmill.sampling.providers import ProviderChoice
from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION, Signature


class Engine:
    """A sampler graph ready to run; safe to use from several threads.

    Args:
        model: name of the model version.
        session: runs its graph.
        provider: what it runs on and why.
        signature: what the graph takes and makes.

    Attributes:
        provider: as given.
        signature: as given.
        buckets: batch sizes in use: those whose samples agree to the bit.
    """

    def __init__(
        self, model: str, session: onnxruntime.InferenceSession, provider: ProviderChoice, signature: Signature
    ) -> None:
        self.provider = provider
        self.signature = signature
        self._model = model
        self._session = session
        self.buckets = agreeing_buckets(self._probe, usable_buckets(signature.sample_bytes), model)

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
        batches, start = [], 0
        for bucket in plan_batches(len(index), self.buckets):
            if stopped():
                raise Cancelled("sampling was stopped")
            part = slice(start, start + bucket)
            filled = None if label is None else fill_up(label[part], bucket)
            batches.append(self._run_batch(seed, fill_up(index[part], bucket), filled, truncation))
            start += bucket
        metrics.SAMPLES.labels(self._model).inc(len(index))
        return {name: _join([batch[name] for batch in batches], len(index)) for name in self.signature.outputs}

    def _probe(self, index: np.ndarray) -> Columns:
        label = index % self.signature.classes if self.signature.classes else None
        return self._run_batch(0, index, label, None)

    def _run_batch(self, seed: int, index: np.ndarray, label: np.ndarray | None, truncation: float | None) -> Columns:
        feeds = {SEED: np.array([seed], np.uint64), INDEX: index}
        if label is not None:
            feeds[LABEL] = label
        if truncation is not None:
            feeds[TRUNCATION] = np.array([truncation], np.float32)
        began = time.perf_counter()
        outputs = self._session.run(list(self.signature.outputs), feeds)
        metrics.COMPUTE_SECONDS.labels(str(len(index))).observe(time.perf_counter() - began)
        return dict(zip(self.signature.outputs, outputs, strict=True))


def _join(parts: list[np.ndarray], count: int) -> np.ndarray:
    """Returns the first rows of all parts together; what one part holds is not copied."""
    return parts[0][:count] if len(parts) == 1 else np.concatenate(parts)[:count]
