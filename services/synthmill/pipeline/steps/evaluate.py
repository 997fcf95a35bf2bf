"""Step 6, evaluate: what samples, or ways to do without, are worth."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from synthmill.learning.evaluate.findings import Findings
from synthmill.pipeline.budgeting import Measured
from synthmill.pipeline.judging import Judged, read_evaluation
from synthmill.pipeline.run import MEASURED, Run
from synthmill.pipeline.steps.augment import policy_fields
from synthmill.runtime.errors import DataLoss
from synthmill.runtime.jobs.publication import ask_patiently
from synthmill.v1 import artifact_pb2, catalog_service_pb2, evaluation_pb2, sampling_service_pb2
from synthmill.v1 import evaluation_service_pb2 as pb

FINDINGS = "findings.json"

EVALUATE = "evaluate"
"""What the keys of evaluations end with."""

_JUDGED = "judged"

_READ_DEADLINE_S = 60.0


@dataclasses.dataclass(frozen=True)
class Measuring:
    """What is to be evaluated, and how thoroughly.

    Attributes:
        subject: model or dataset version.
        policy: of classic augmentation; empty leaves that to the evaluation service.
        arms: that are tried; empty means all.
        share: of samples among the records of a class.
        filtered: whether samples of a model are filtered.
        seeds: probes for each arm.
        probe_steps: batches that each learns from.
    """

    subject: str
    policy: str
    arms: Sequence[str] = ()
    share: float = 0.0
    filtered: bool = False
    seeds: int = 1
    probe_steps: int = 0


def evaluate(run: Run, key: str, asked: Measuring, *, required: bool = False) -> Judged:
    """Returns what was found out; errors as `Run.job`."""
    plan = run.plan.evaluate
    request = pb.CreateEvaluationJobRequest(
        subject=asked.subject,
        against=run.record.dataset,
        seeds=asked.seeds,
        probe_steps=asked.probe_steps,
        arms=asked.arms,
        synthetic_share=asked.share,
        thresholds=plan.thresholds,
        without_thresholds=plan.without_thresholds,
        seed=run.plan.seed,
        **policy_fields(asked.policy),
    )
    if asked.filtered:
        # With neither bound: the model's own.
        request.filter.CopyFrom(sampling_service_pb2.SampleFilter())
    step = run.job(key, run.partners.evaluation, "CreateEvaluationJob", request, required=required)
    batches = asked.seeds * asked.probe_steps * len(asked.arms) or run.limits.whole_batches

    def read() -> dict[str, Any]:
        judged = read_evaluation(_get(run, step.result))
        return {_JUDGED: judged.to_json(), MEASURED: vars(Measured(batches, step.seconds))}

    return Judged.from_json(run.journal.once(f"{key}/{_JUDGED}", read)[_JUDGED])


def evaluated(run: Run, trial: str) -> Judged:
    """Returns what the evaluation of a trial that is complete has found.

    Args:
        trial: key of it.
    """
    return Judged.from_json(run.journal[f"{trial}/{EVALUATE}/{_JUDGED}"][_JUDGED])


def whole(run: Run, subject: str, policy: str, *, share: float, filtered: bool) -> Measuring:
    """Returns a whole evaluation: all arms, as many probes as the plan says."""
    plan = run.plan.evaluate
    return Measuring(subject, policy, share=share, filtered=filtered, seeds=plan.seeds, probe_steps=plan.probe_steps)


def read_findings(run: Run, name: str) -> Findings:
    """Returns all that an evaluation has found.

    Raises:
        DataLoss: its file is missing or damaged.
        SynthmillError: there is no such evaluation, or the catalog was away for too long.
    """
    evaluation = _get(run, name)
    artifact = next((found for found in evaluation.artifacts if found.name == FINDINGS), None)
    if artifact is None:
        raise DataLoss(f"{name} has no {FINDINGS}")
    catalog = run.partners.catalog
    data = ask_patiently(lambda: _read(run, name, artifact), catalog.patience_s, run.context.check)
    return Findings.from_json(json.loads(data))


def _get(run: Run, name: str) -> evaluation_pb2.Evaluation:
    return run.partners.catalog.ask("GetEvaluation", catalog_service_pb2.GetEvaluationRequest(name=name))


def _read(run: Run, owner: str, artifact: artifact_pb2.Artifact) -> bytes:
    request = catalog_service_pb2.ReadArtifactRequest(owner=owner, artifact=artifact.name)
    call = run.partners.catalog.stub.ReadArtifact(request, timeout=_READ_DEADLINE_S)
    try:
        data = b"".join(chunk.data for chunk in call)
    finally:
        call.cancel()
    if hashlib.sha256(data).hexdigest() != artifact.sha256:
        raise DataLoss(f"{owner}: {artifact.name} came damaged")
    return data
