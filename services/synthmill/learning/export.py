"""Turns a trained generator into a sampler graph, and proves that the graph does what the network does."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from synthmill.kinds.base import Learning
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.compose import INDEX, LABEL, SEED, compose
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.samples import draw_samples
from synthmill.runtime.errors import Internal

OPSET = 18
_LATENT = "z"
_ERRORS_ONLY = 3
_CHECKED_SAMPLES = 256
# Two libraries round a sum differently; where a value falls between two levels, that moves it by one level.
_LARGEST_LEVELS = 1
_LARGEST_SHARE = 1e-3
# Of the column's greatest magnitude.
_LARGEST_RELATIVE = 1e-4


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far a sampler graph is from the network it was made of, over all columns.

    Attributes:
        samples: number of samples compared.
        max_difference: largest difference of two numbers, in the units of the column.
        differing_share: share of numbers that are not the same.
    """

    samples: int
    max_difference: float
    differing_share: float


class _Sampler(nn.Module):
    """A generator with its outputs finished: what is exported."""

    def __init__(self, generator: nn.Module, learning: Learning) -> None:
        super().__init__()
        self.generator, self._learning = generator, learning

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        return tuple(self._learning.decode(self.generator(z, label)).values())


def export_sampler(
    generator: nn.Module, learning: Learning, columns: list[str], latent_size: int, metadata: GraphMetadata
) -> bytes:
    """Exports a generator as a sampler graph.

    Args:
        generator: on the CPU, in evaluation mode.
        learning: finishes its output.
        columns: names of the kind's columns in the order of `Learning.decode`.
        latent_size: dimensions of the latent vector.
        metadata: what the graph says about itself.

    Returns:
        An ONNX file.
    """
    inputs: dict[str, torch.Tensor] = {_LATENT: torch.zeros(2, latent_size)}
    if metadata.labels:
        inputs[LABEL] = torch.zeros(2, dtype=torch.int64)
    batch = torch.export.Dim("batch")
    with quiet_exporter():
        program = torch.onnx.export(
            _Sampler(generator, learning).eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=columns,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    stream = io.BytesIO()
    program.save(stream)
    graph = compose(onnx.load_from_string(stream.getvalue()), metadata, latent=_LATENT, label=LABEL)
    data = graph.SerializeToString(deterministic=True)
    check_graph(data)
    return data


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keeps back what the exporter says of its own internals and of packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def compare(data: bytes, generator: nn.Module, learning: Learning, latent_size: int, label_count: int) -> Agreement:
    """Draws the same samples from a sampler graph and from its network.

    Raises:
        Internal: they differ by more than rounding explains.
    """
    index = np.arange(_CHECKED_SAMPLES)
    feeds = {SEED: np.array([0], np.uint64), INDEX: index}
    if label_count:
        feeds[LABEL] = index % label_count
    expected = draw_samples(generator, learning, latent_size, 0, index, feeds.get(LABEL))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found = dict(zip(expected, session.run(list(expected), feeds), strict=True))
    for name in expected:
        _require_agreement(name, expected[name], found[name])
    differences = np.concatenate([_difference(expected[name], found[name]).ravel() for name in expected])
    return Agreement(len(index), float(differences.max()), float((differences > 0).mean()))


def _require_agreement(name: str, expected: np.ndarray, found: np.ndarray) -> None:
    difference = _difference(expected, found)
    if np.issubdtype(expected.dtype, np.integer):
        fits = difference.max() <= _LARGEST_LEVELS and (difference > 0).mean() <= _LARGEST_SHARE
    else:
        fits = difference.max() <= _LARGEST_RELATIVE * max(1.0, float(np.abs(expected).max()))
    if not fits:
        raise Internal(
            f"the exported graph differs from the network in column {name!r}: by up to {difference.max():g}, "
            f"in {(difference > 0).mean():.2%} of the numbers",
            column=name,
            max_difference=float(difference.max()),
        )


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(np.float64) - second.astype(np.float64))
