"""What compression is asked for and what it gives back, as plain data; needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthmill.kinds.base import parameter
from synthmill.kinds.parameters import parse
from synthmill.runtime.errors import InvalidField

INT8, FLOAT16, PRUNE = "int8", "fp16", "prune"
METHODS = (PRUNE, INT8, FLOAT16)
"""Names of the methods, in the order in which they are applied."""

DEFAULT_METHODS = (INT8,)
DEFAULT_MAX_LOSS = 0.5


@dataclasses.dataclass(frozen=True)
class CompressionParameters:
    """How to compress, and how to judge the result."""

    prune_share: float = parameter(
        0.25, "share of the channels of each layer that pruning removes", minimum=0.01, maximum=0.9
    )
    fine_tune_steps: int = parameter(2000, "steps of the fine-tune after pruning", minimum=0, maximum=10_000_000)
    fine_tune_seconds: float = parameter(
        600.0, "longest time for the fine-tune, in seconds; 0 means no bound", minimum=0.0, maximum=604_800.0
    )
    fine_tune_rate: float = parameter(1e-3, "Adam's learning rate at its start", above=0.0, maximum=1.0)
    fine_tune_batch_size: int = parameter(64, "samples in a step of it", minimum=1, maximum=65_536)
    calibration_samples: int = parameter(
        1024, "samples on which int8 sees the ranges of its values", minimum=1, maximum=1_000_000
    )
    reduce_range: bool = parameter(
        True, "7-bit weights in int8: 8-bit products saturate on x86 processors without VNNI, wherever a model ends up"
    )
    judge_samples: int = parameter(
        0, "samples that a probe learns from; 0 means as many as the real training records", minimum=0, maximum=10**8
    )
    probe_seeds: int = parameter(3, "probes that are averaged over", minimum=1, maximum=100)
    probe_steps: int = parameter(2000, "batches of 128 samples that a probe learns from", minimum=1, maximum=10_000_000)


@dataclasses.dataclass(frozen=True)
class RealRecords:
    """Real records that compressed samples are judged on.

    Attributes:
        dataset: "datasets/{dataset}/versions/{n}".
        split: whose records the probes are tested on; they are not those the model was trained on.
        columns: .npy file of each of the kind's columns and of "label", of that split.
        train_count: number of records in the dataset's split "train".
    """

    dataset: str
    split: str
    columns: Mapping[str, Path]
    train_count: int


@dataclasses.dataclass(frozen=True)
class CompressionTask:
    """One model version to be compressed.

    Attributes:
        version: "models/{model}/versions/{n}" of the original.
        digest: of its sampler graph.
        graph: its sampler graph.
        card: its card, as JSON.
        weights: its weights; None if there are none, as for imported models.
        methods: of `METHODS`, in their order.
        parameters: of `CompressionParameters` by name, as `resolve` returned them.
        max_loss: utility that may be lost, in points; more than that refuses the result.
        real: what utility is measured on; None compares samples of before and after instead.
        seed: of everything random, in [0, 2^64).
        job: name of the job, for the lineage.
    """

    version: str
    digest: str
    graph: Path
    card: Mapping[str, Any]
    weights: Path | None
    methods: tuple[str, ...]
    parameters: Mapping[str, Any]
    max_loss: float
    real: RealRecords | None
    seed: int = 0
    job: str = ""


@dataclasses.dataclass(frozen=True)
class CompressionResult:
    """What a compression made.

    Attributes:
        artifacts: file by artifact name: "sampler.onnx", "card.json", "card.md", "samples.png" if the kind draws
            pictures, "weights.safetensors" if the graph is that of the weights.
        metrics: figures of before and after, by name.
    """

    artifacts: Mapping[str, Path]
    metrics: Mapping[str, float]


def check_methods(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the methods in the order in which they are applied; none means int8.

    Raises:
        InvalidField: one is unknown or comes twice, or two exclude each other.
    """
    for name in given:
        if name not in METHODS:
            raise InvalidField("methods", name, "one of " + ", ".join(METHODS))
    if len(set(given)) < len(given) or {INT8, FLOAT16} <= set(given):
        raise InvalidField("methods", ", ".join(given), f"each once, and only one of {INT8} and {FLOAT16}")
    return tuple(name for name in METHODS if name in (given or DEFAULT_METHODS))


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every parameter by name: those given, and defaults.

    Raises:
        InvalidField: an unknown name, or a value that is not allowed.
    """
    return dataclasses.asdict(parse(CompressionParameters, given))
