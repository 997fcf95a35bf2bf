"""Inputs of sampler graphs, and sessions that run them."""

from __future__ import annotations

import numpy as np
import onnxruntime

from synthmill.learning.graph.compose import INDEX, LABEL, SEED

Feeds = dict[str, np.ndarray]

_ERRORS_ONLY = 3


def make_feeds(label_count: int, seed: int, start: int, count: int) -> Feeds:
    """Returns the inputs for the samples from an index on, with the labels in turn."""
    index = np.arange(start, start + count, dtype=np.int64)
    feeds = {SEED: np.array([seed], np.uint64), INDEX: index}
    return {**feeds, LABEL: index % label_count} if label_count else feeds


def open_session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Loads a sampler graph for the CPU.

    Args:
        graph: an ONNX file.
        threads: that compute a batch; 0 means one per core.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
