"""Makes a pruned generator: rebuilds the original from its weights, removes channels, fine-tunes, exports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from synthmill.kinds.base import HyperParameters, Learning, load_weights
from synthmill.kinds.registry import get_kind
from synthmill.learning.compress.distil import DistilPlan, distil
from synthmill.learning.compress.prune import prune_weights
from synthmill.learning.compress.task import CompressionTask
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.ema import recompute_batch_statistics
from synthmill.learning.export import compare, export_sampler
from synthmill.learning.families.base import GENERATOR
from synthmill.learning.families.variational import PRIOR
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.prior import MixturePrior, PriorGenerator
from synthmill.learning.task import CheckCallback, Machine, ProgressCallback
from synthmill.runtime.errors import BadData, FailedPrecondition, Internal

_STATISTICS_BATCHES = 32
_STATISTICS_BATCH_SIZE = 128


@dataclasses.dataclass(frozen=True)
class Made:
    """A sampler graph in the making.

    Attributes:
        graph: as it is so far.
        weights: of the network that the graph was exported from, by the names they are stored under.
        fine_tune: steps, seconds and loss of the fine-tune, if there was one.
        channels: channels before and after by group, if some were pruned.
    """

    graph: bytes
    weights: Mapping[str, torch.Tensor] | None = None
    fine_tune: Mapping[str, float] = dataclasses.field(default_factory=dict)
    channels: Mapping[str, list[int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Given:
    """What a pruned generator is made from.

    Attributes:
        task: what is asked for.
        info: of the original graph.
        original: that graph.
        folder: for checkpoints of the fine-tune.
    """

    task: CompressionTask
    info: GraphInfo
    original: bytes
    folder: Path


def make(
    given: Given,
    lineage: Mapping[str, Any],
    machine: Machine,
    fabric: Fabric,
    *,
    progress: ProgressCallback,
    check: CheckCallback,
) -> Made:
    """Returns the pruned and fine-tuned generator as a sampler graph.

    Args:
        given: what it is made from.
        lineage: what the graph says of where it comes from.
        machine: how often to write checkpoints.
        fabric: device and precision.
        progress: told of the fine-tune.
        check: called before every step; raises to stop.

    Raises:
        FailedPrecondition: there are no weights of this graph, or its networks cannot be pruned.
        BadData: the weights cannot be read, or fit no generator of this kind.
        Diverged: the fine-tune left the finite numbers.
        Internal: the exported graph does not do what the network does.
    """
    task, info = given.task, given.info
    kind = get_kind(info.metadata.kind)
    learning, labels = kind.learning(), len(info.metadata.labels)
    stored, parameters = _read_original(task, info)
    weights, prior = _below(stored, GENERATOR), _restore_prior(_below(stored, PRIOR), info)
    teacher = _behind(prior, learning.restore_generator(info.metadata.schema, labels, parameters, weights))
    _require_same(given.original, teacher, learning, info)
    kept, channels = prune_weights(learning, weights, task.parameters["prune_share"])
    generator = learning.restore_generator(info.metadata.schema, labels, parameters, kept)
    network = _behind(prior, generator)
    recompute_batch_statistics(network, _statistics_inputs(task.seed, info))
    figures = distil(network, teacher, _plan(task, info, machine), given.folder, fabric, progress=progress, check=check)
    metadata = dataclasses.replace(info.metadata, lineage=lineage)
    graph = export_sampler(network, learning, list(info.columns), info.latent_size, metadata)
    compare(graph, network, learning, info.latent_size, labels)
    parts = {GENERATOR: generator} if prior is None else {GENERATOR: generator, PRIOR: prior}
    made = {
        f"{part}.{name}": tensor.contiguous()
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
    return Made(graph, made, figures, channels)


def _read_original(task: CompressionTask, info: GraphInfo) -> tuple[dict[str, torch.Tensor], HyperParameters]:
    """Returns the weights of the original's networks and its hyper-parameters."""
    if task.weights is None:
        raise FailedPrecondition(
            f"{task.version} has no weights to prune, as it was imported or compressed before; int8 and fp16 need none",
            field="methods",
            value="prune",
        )
    try:
        stored = load(task.weights.read_bytes())
    except SafetensorError as error:
        raise BadData(f"the weights of {task.version} cannot be read: {error}") from None
    parameters = hyper_parameters(info.metadata.kind, info.metadata.family, task.card.get("parameters", {}))
    return stored, parameters.resolve(info.metadata.schema)


def _below(stored: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """Returns the weights of one network."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)}


def _restore_prior(weights: Mapping[str, torch.Tensor], info: GraphInfo) -> MixturePrior | None:
    """Returns what the original's latent vectors come from; None is the standard normal."""
    if not weights:
        return None
    label_count = len(info.metadata.labels)
    prior = MixturePrior(info.latent_size - 1, label_count, len(weights["mean"]) // max(1, label_count))
    load_weights(prior, weights)
    return prior


def _behind(prior: MixturePrior | None, generator: nn.Module) -> nn.Module:
    return generator if prior is None else PriorGenerator(prior, generator).eval()


def _require_same(graph: bytes, network: nn.Module, learning: Learning, info: GraphInfo) -> None:
    try:
        compare(graph, network, learning, info.latent_size, len(info.metadata.labels))
    except Internal as error:
        raise FailedPrecondition(f"the weights are not those of the sampler graph: {error.message}") from None


def _plan(task: CompressionTask, info: GraphInfo, machine: Machine) -> DistilPlan:
    parameters = task.parameters
    return DistilPlan(
        latent_size=info.latent_size,
        label_count=len(info.metadata.labels),
        seed=task.seed,
        batch_size=parameters["fine_tune_batch_size"],
        rate=parameters["fine_tune_rate"],
        steps=parameters["fine_tune_steps"],
        seconds=parameters["fine_tune_seconds"],
        checkpoint_interval_s=machine.checkpoint_interval_s,
    )


def _statistics_inputs(seed: int, info: GraphInfo) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    seed, labels = derive_seed(seed, Stream.STATISTICS), len(info.metadata.labels)
    for start in range(0, _STATISTICS_BATCHES * _STATISTICS_BATCH_SIZE, _STATISTICS_BATCH_SIZE):
        index = np.arange(start, start + _STATISTICS_BATCH_SIZE)
        label = torch.from_numpy(index % labels) if labels else None
        yield torch.from_numpy(standard_normal(seed, index, info.latent_size)), label
