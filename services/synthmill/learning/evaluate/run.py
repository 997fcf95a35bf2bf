"""Evaluates samples against real records, from files to findings; what was measured outlives an interruption."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthmill.kinds.base import Kind
from synthmill.kinds.policies.parsing import Policy
from synthmill.kinds.registry import get_kind
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.devices import open_fabric
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.evaluate import intervals, utility
from synthmill.learning.evaluate.arms import Ingredients
from synthmill.learning.evaluate.comparison import Comparison
from synthmill.learning.evaluate.features import FeatureExtractor
from synthmill.learning.evaluate.findings import (
    Distribution,
    Extractor,
    Figure,
    Findings,
    Party,
    Picture,
    figure_from_json,
)
from synthmill.learning.evaluate.likeness import measure_likeness
from synthmill.learning.evaluate.memorisation import measure_memorisation
from synthmill.learning.evaluate.notes import remember
from synthmill.learning.evaluate.splits import Splits, open_splits
from synthmill.learning.evaluate.task import EvaluationTask, require_valid
from synthmill.learning.evaluate.trials import TEST, VALIDATION, Outcomes, Report, Trials
from synthmill.learning.evaluate.utility import Choice
from synthmill.learning.evaluate.verdict import put_into_words, put_trial_into_words
from synthmill.learning.probing import BATCH_SIZE, Probing
from synthmill.learning.provenance import code_digest
from synthmill.learning.task import LABEL, CheckCallback, Machine

_LIBRARIES = ("synthmill", "torch", "numpy", "scipy", "scikit-learn", "imbalanced-learn")


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all parts of an evaluation share."""

    task: EvaluationTask
    kind: Kind
    splits: Splits
    policy: Policy | None
    folder: Path
    device: torch.device
    report: Report
    check: CheckCallback

    @property
    def comparison(self) -> Comparison:
        labels = self.task.labels if self.task.has_classes else ()
        return Comparison(self.kind, self.task.schema, labels, self.task.seed, self.device)


@dataclasses.dataclass(frozen=True)
class _Likeness:
    """What was measured of the samples themselves."""

    extractor: Extractor | None
    figures: Sequence[Figure]
    distributions: Sequence[Distribution]
    pictures: Sequence[Picture]


_NOT_COMPARED = _Likeness(None, [], [], [])


def evaluate(
    task: EvaluationTask, folder: Path, machine: Machine, report: Report, check: CheckCallback
) -> tuple[Findings, dict[str, bytes]]:
    """Measures what samples are like, what they give away and what they are worth, and what that comes to.

    Args:
        task: what to evaluate, and how.
        folder: for what was measured; a later call with the same task and folder goes on where this one ended.
        machine: devices and threads; probes learn in float32 whatever the precision.
        report: told of a phase, of what is done of it, and of all there is to do, from this thread.
        check: called between steps; raises to stop.

    Returns:
        The findings, and the PNG file of each of their pictures by its name.

    Raises:
        InvalidField: a number or the policy is not allowed, or the policy makes records of another shape.
        BadData: a split cannot be used; the error's "split" says which.
        FailedPrecondition: there are too few records for a comparison.
    """
    require_valid(task)
    kind = get_kind(task.kind)
    splits = open_splits(task, kind)
    policy = kind.augmentation().policy(task.policy) if task.policy else None
    folder = folder / f"evaluate-{task.digest(splits.counts)}"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        device = open_fabric(dataclasses.replace(machine, precision="float32")).device
        run = _Run(task, kind, splits, policy, folder, device, report, check)
        likeness = _compare(run) if not task.arms else _NOT_COMPARED
        outcomes = _try(run) if task.has_classes else None
    return _conclude(run, likeness, outcomes), {
        picture.name: _picture_path(run, picture.name).read_bytes() for picture in likeness.pictures
    }


def _compare(run: _Run) -> _Likeness:
    """Measures likeness and memorisation, or returns what an earlier attempt has measured."""
    splits = run.splits
    extractor = _fit(run)

    def likeness() -> list[dict[str, Any]]:
        found = measure_likeness(run.comparison, extractor, splits.test, splits.samples, run.check)
        return [dataclasses.asdict(figure) for figure in found]

    def memorisation() -> dict[str, Any]:
        figures, distributions, pictures = measure_memorisation(
            run.comparison, splits.train, splits.test, splits.samples, run.check
        )
        for picture, png in pictures:
            write_atomically(_picture_path(run, picture.name), png)
        return {
            "figures": [dataclasses.asdict(figure) for figure in figures],
            "distributions": [dataclasses.asdict(each) for each in distributions],
            "pictures": [dataclasses.asdict(picture) for picture, _ in pictures],
        }

    run.report("comparing with real records", 0, 1)
    alike = remember(run.folder / "likeness.json", likeness)
    run.report("looking for copies", 0, 1)
    copied = remember(run.folder / "memorisation.json", memorisation)
    return _Likeness(
        extractor.described,
        [figure_from_json(each) for each in (*alike, *copied["figures"])],
        [Distribution(**each) for each in copied["distributions"]],
        [Picture(**each) for each in copied["pictures"]],
    )


def _fit(run: _Run) -> FeatureExtractor:
    path = run.folder / "extractor.safetensors"
    if not path.exists():
        run.report("training the feature extractor", 0, 1)
        splits = run.splits
        FeatureExtractor.fit(run.comparison, splits.train, splits.test, run.task.probe_steps, run.check).save(path)
    # What is used has been read from the file either way, so that nothing differs between attempts.
    return FeatureExtractor.load(run.comparison, path)


def _try(run: _Run) -> Outcomes:
    task, splits = run.task, run.splits
    classes = len(task.labels)
    tested = {TEST: splits.test, **({VALIDATION: splits.validation} if splits.validation is not None else {})}
    trials = Trials(
        Probing(run.kind.learning(), task.schema, classes, task.probe_steps, run.device),
        Ingredients(run.kind, task.schema, classes, splits.train, splits.samples, run.policy, task.synthetic_share),
        tested,
        task.seeds,
        derive_seed(task.seed, Stream.BASELINES),
        task.arms,
    )
    return trials.run(run.folder, run.report, run.check)


def _conclude(run: _Run, likeness: _Likeness, outcomes: Outcomes | None) -> Findings:
    task = run.task
    choice = utility.choose(outcomes) if outcomes else None
    arms = utility.describe_arms(outcomes, task.labels) if outcomes else []
    worth = utility.measure_utility(outcomes, choice, task.labels) if outcomes and choice and not task.arms else []
    figures = [*likeness.figures, *worth]
    conditions = task.gate.judge(figures, classes=task.has_classes)
    counts = run.splits.counts
    if task.arms:
        verdict = put_trial_into_words(arms, task.labels)
    else:
        verdict = put_into_words(figures, arms, choice, conditions, task.labels)
    return Findings(
        subject=Party(*task.subject, {"samples": counts["samples"]}),
        reference=Party(*task.reference, {split: count for split, count in counts.items() if split != "samples"}),
        kind=task.kind,
        labels=list(task.labels),
        extractor=likeness.extractor,
        figures=figures,
        arms=arms,
        conditions=conditions,
        passed=all(condition.passed for condition in conditions),
        verdict=verdict,
        pictures=likeness.pictures,
        distributions=likeness.distributions,
        settings=_settings(run, choice),
    )


def _settings(run: _Run, choice: Choice | None) -> dict[str, Any]:
    """Returns all that the findings depend on beside the records."""
    task = run.task
    settings: dict[str, Any] = {
        **task.settings,
        "seed": task.seed,
        "seeds": task.seeds,
        "probe_steps": task.probe_steps,
        "probe_batch_size": BATCH_SIZE,
        "thresholds": dict(task.gate.numbers),
        "intervals": {"utility": utility.ABOUT, "likeness": intervals.ABOUT},
        "device": run.device.type,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
            "code_sha256": code_digest(),
        },
    }
    if task.arms:
        settings["arms"] = list(task.arms)
    if run.policy is not None:
        settings["policy"] = {"name": task.policy_name, "digest": run.policy.digest}
    if task.has_classes:
        settings["synthetic_share"] = task.synthetic_share
        sizes = np.bincount(run.splits.train[LABEL], minlength=len(task.labels)).tolist()
        settings["train_records"] = dict(zip(task.labels, sizes, strict=True))
    if choice is not None:
        settings["best_arms"] = {"with_samples": choice.synthetic, "without": choice.baseline, "split": choice.split}
    return settings


def _picture_path(run: _Run, name: str) -> Path:
    return run.folder / f"{name}.png"
