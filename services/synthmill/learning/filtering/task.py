"""What filtering is asked for and what it gives back, as plain data; needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmill.kinds.base import parameter
from synthmill.kinds.parameters import parse
from synthmill.runtime.filters import DEFAULT_ATTEMPTS, MAX_ATTEMPTS


@dataclasses.dataclass(frozen=True)
class FilteringParameters:
    """How opinions are formed, and how the filter is chosen."""

    opinion_steps: int = parameter(
        2000, "batches of 128 real records that the probe of the opinion learns from", minimum=1, maximum=10_000_000
    )
    score: bool = parameter(True, "whether the critic's score is an opinion too, where the version has its weights")
    attempts: int = parameter(
        DEFAULT_ATTEMPTS, "candidates for a sample while filters are judged", minimum=1, maximum=MAX_ATTEMPTS
    )
    judge_samples: int = parameter(
        0, "samples that a probe learns from; 0 means as many as the real training records", minimum=0, maximum=10**8
    )
    probe_seeds: int = parameter(3, "probes that are averaged over", minimum=1, maximum=100)
    probe_steps: int = parameter(2000, "batches of 128 samples that a probe learns from", minimum=1, maximum=10_000_000)


@dataclasses.dataclass(frozen=True)
class FilteringTask:
    """One model version to be given a filter.

    Attributes:
        version: "models/{model}/versions/{n}" of the original.
        digest: of its sampler graph.
        graph: its sampler graph.
        card: its card, as JSON.
        weights: its weights; None if there are none, as for imported models.
        dataset: "datasets/{dataset}/versions/{n}" of the real records.
        train: .npy file of each of the kind's columns and of "label", of the split that the probe learns from.
        validation: the same of the split that filters are judged on; empty holds out some of the others instead.
        parameters: of `FilteringParameters` by name, as `resolve` returned them.
        seed: of everything random, in [0, 2^64).
        job: name of the job, for the lineage.
    """

    version: str
    digest: str
    graph: Path
    card: Mapping[str, Any]
    weights: Path | None
    dataset: str
    train: Mapping[str, Path]
    validation: Mapping[str, Path]
    parameters: Mapping[str, Any]
    seed: int = 0
    job: str = ""


@dataclasses.dataclass(frozen=True)
class FilteringResult:
    """What filtering made.

    Attributes:
        artifacts: file by artifact name: "sampler.onnx", "card.json", "card.md", "samples.png", and
            "weights.safetensors" if the original has them.
        metrics: figures by name.
    """

    artifacts: Mapping[str, Path]
    metrics: Mapping[str, float]


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every parameter by name: those given, and defaults.

    Raises:
        InvalidField: an unknown name, or a value that is not allowed.
    """
    return dataclasses.asdict(parse(FilteringParameters, given))
