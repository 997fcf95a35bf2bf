"""What training is asked for and what it gives back, as plain data; needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthmill.kinds.base import Schema

LABEL = "label"
"""Name of the column of labels, int64 (N,)."""


@dataclasses.dataclass(frozen=True)
class TrainingTask:
    """One model to be trained.

    Attributes:
        model: its name, for the card.
        kind: kind of the records.
        schema: the kind's schema of them.
        labels: class names by label; empty trains an unconditional generator.
        columns: .npy file of each of the kind's columns, [N, ...], and of "label" where there are labels.
        family: "gan", "vae".
        parameters: hyper-parameters by name, as `configuration.resolve` returned them.
        seed: of everything random in the run, in [0, 2^64).
        lineage: where the records come from, as JSON: dataset, version, digests, job.
        license: licence of the model, as an SPDX identifier where there is one.
        held_out: files of real records that are not learned from, as `columns`; none means that utility is measured on
            those that are.
        budget_s: most training time, over all attempts; 0 sets no bound.
        target: utility that ends the run; None for none.
    """

    model: str
    kind: str
    schema: Schema
    labels: tuple[str, ...]
    columns: Mapping[str, Path]
    family: str
    parameters: Mapping[str, Any]
    seed: int = 0
    lineage: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    license: str = ""
    held_out: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    budget_s: float = 0.0
    target: float | None = None


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a run may use, and how often it reports; nothing here but the precision changes what is learned.

    Attributes:
        accelerator: "cpu", "cuda", or "auto" for the fastest there is.
        precision: "float32", "bfloat16" for mixed precision, or "auto" for what is fastest on this machine.
        threads: CPU threads; 0 leaves it to torch.
        checkpoint_interval_s: least time between checkpoints; 0 writes one after every step.
        report_interval_s: least time between reports of progress.
        picture_interval_s: least time between grids of samples.
    """

    accelerator: str = "auto"
    precision: str = "auto"
    threads: int = 0
    checkpoint_interval_s: float = 10.0
    report_interval_s: float = 0.5
    picture_interval_s: float = 15.0


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        phase: "training", then "exporting".
        step: steps done.
        total: steps in all; 0 while that is not known.
        rate: steps per second of late.
        eta_s: seconds that the remaining steps will take at this rate.
        metrics: latest figures by name: losses, each a mean since the last report, and those of the last validation.
        picture: PNG file with a grid of samples, now and then.
    """

    phase: str
    step: int
    total: int
    rate: float = 0.0
    eta_s: float = 0.0
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    picture: bytes | None = None


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run made.

    Attributes:
        artifacts: file by artifact name: "sampler.onnx", "card.json", "card.md", "weights.safetensors", "samples.png",
            "samples.gif", "history.csv", "history.tfevents", "run.json".
        metrics: figures measured at the end, by name, for example "export_max_difference".
    """

    artifacts: Mapping[str, Path]
    metrics: Mapping[str, float]


DEFAULT_MACHINE = Machine()

ProgressCallback = Callable[[Progress], None]
CheckCallback = Callable[[], None]
SayCallback = Callable[[str], None]


def ignore_progress(progress: Progress) -> None:
    """Drops a report."""


def say_nothing(text: str) -> None:
    """Drops a message."""


def never_stop() -> None:
    """Lets the run go on."""
