"""Probe and critic as ONNX: finished columns and the label in, an opinion out."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from synthmill.kinds.base import Columns, Learning, load_weights
from synthmill.kinds.registry import get_kind
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.export import OPSET, quiet_exporter
from synthmill.learning.families.adversarial import DISCRIMINATOR
from synthmill.learning.filtering.task import FilteringTask
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.graph.compose import LABEL
from synthmill.learning.graph.opinions import add_opinion
from synthmill.runtime.errors import BadData, Internal

_CHECKED_SAMPLES = 256
# Two libraries round a sum differently; of the largest magnitude, and at least of 1.
_LARGEST_DIFFERENCE = 1e-4


class Opinion(nn.Module, ABC):
    """A network that takes what a sampler graph makes.

    Args:
        network: takes what the kind's networks take.
        learning: the kind's learning side.
        columns: names of the kind's columns.
    """

    def __init__(self, network: nn.Module, learning: Learning, columns: Sequence[str]) -> None:
        super().__init__()
        self.network, self._learning, self._columns = network, learning, tuple(columns)

    def forward(self, columns: tuple[torch.Tensor, ...], label: torch.Tensor) -> torch.Tensor:
        """Takes finished columns (B, ...) in the order of their names and label (B,) int64; returns (B,)."""
        return self.judge(self._learning.to_input(dict(zip(self._columns, columns, strict=True))), label)

    @abstractmethod
    def judge(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Takes network inputs (B, ...) and label (B,); returns (B,)."""


class Confidence(Opinion):
    """The probability that a probe gives to each sample's own label."""

    def judge(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        probabilities = F.softmax(self.network(x), dim=1)
        # A product, as the kernels of this one round the same in a batch of any size.
        return (probabilities * F.one_hot(label, probabilities.shape[1])).sum(dim=-1)


class Score(Opinion):
    """The logit that a critic gives to each sample."""

    def judge(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return self.network(x, label)


def restore_critic(task: FilteringTask, info: GraphInfo) -> nn.Module | None:
    """Returns the discriminator that a version was trained against, None if its weights are not kept.

    Raises:
        BadData: the weights cannot be read, or are those of another network.
    """
    try:
        stored = load(task.weights.read_bytes()) if task.weights else {}
    except SafetensorError as error:
        raise BadData(f"the weights of {task.version} cannot be read: {error}") from None
    prefix = f"{DISCRIMINATOR}."
    weights = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
    if not weights:
        return None
    metadata = info.metadata
    given = hyper_parameters(metadata.kind, metadata.family, task.card.get("parameters", {})).resolve(metadata.schema)
    critic = get_kind(metadata.kind).learning().discriminator(metadata.schema, len(metadata.labels), given)
    load_weights(critic, weights)
    return _without_parametrizations(critic)


def add_network(data: bytes, name: str, opinion: Opinion, info: GraphInfo) -> bytes:
    """Returns a sampler graph that also outputs an opinion, proved to be that of the network.

    Args:
        data: a sampler graph.
        name: of the opinion.
        opinion: the network, on the CPU.
        info: of the graph.

    Raises:
        Internal: the samples are not the same bytes, or the opinions are not those of the network.
    """
    network = onnx.load_from_string(_export(opinion.eval(), info))
    made = add_opinion(onnx.load_from_string(data), name, network).SerializeToString(deterministic=True)
    _compare(data, made, name, opinion, info)
    return made


def _without_parametrizations(module: nn.Module) -> nn.Module:
    """Has a network keep the weights that its parametrizations, such as the spectral norm, come to."""
    for part in list(module.eval().modules()):
        for name in list(part.parametrizations) if parametrize.is_parametrized(part) else []:
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)
    return module


def _export(opinion: Opinion, info: GraphInfo) -> bytes:
    batch = {0: torch.export.Dim("batch")}
    columns = tuple(torch.from_numpy(np.zeros((2, *shape), dtype)) for dtype, shape in info.columns.values())
    with quiet_exporter():
        program = torch.onnx.export(
            opinion,
            (columns, torch.zeros(2, dtype=torch.int64)),
            input_names=[*info.columns, LABEL],
            output_names=["opinion"],
            dynamic_shapes=(tuple(batch for _ in columns), batch),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    stream = io.BytesIO()
    program.save(stream)
    return stream.getvalue()


@torch.no_grad()
def _compare(before: bytes, after: bytes, name: str, opinion: Opinion, info: GraphInfo) -> None:
    feeds = make_feeds(len(info.metadata.labels), 0, 0, _CHECKED_SAMPLES)
    names = list(info.columns)
    columns: Columns = dict(zip(names, open_session(before, 1).run(names, feeds), strict=True))
    *found, judged = open_session(after, 1).run([*names, name], feeds)
    for column, array in zip(names, found, strict=True):
        if array.tobytes() != columns[column].tobytes():
            raise Internal(f"the column {column!r} is not the same bytes with the opinion {name!r}", column=column)
    given = tuple(torch.from_numpy(columns[column]) for column in names)
    expected = opinion(given, torch.from_numpy(feeds[LABEL])).numpy()
    _require_close(name, expected, judged)


def _require_close(name: str, expected: np.ndarray, found: np.ndarray) -> None:
    difference = float(np.abs(expected - found).max())
    if not difference <= _LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        raise Internal(
            f"the opinion {name!r} in the graph differs from the network's by up to {difference:g}",
            max_difference=difference,
        )
