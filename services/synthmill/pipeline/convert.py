"""Between messages and the pipeline service's own values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message

from synthmill.pipeline.names import loop_of
from synthmill.pipeline.plan import Plan
from synthmill.pipeline.record import Decision, Record, Round, Trial
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.v1 import job_pb2, loop_pb2, loop_plan_pb2
from synthmill.v1 import pipeline_service_pb2 as pb


def to_mapping(plan: loop_plan_pb2.LoopPlan) -> dict[str, Any]:
    """Returns what a plan's message says, by the names of its fields; what is not set is missing."""
    return _read(plan)


def to_plan(plan: Plan) -> loop_plan_pb2.LoopPlan:
    """Makes the message of a plan."""
    return json_format.ParseDict(plan.to_json(), loop_plan_pb2.LoopPlan())


def to_identity(request: pb.CreateLoopJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    sent = json_format.MessageToDict(request, preserving_proto_field_name=True)
    return {name: value for name, value in sent.items() if name != "request_id"}


def to_loop(job: job_pb2.Job, plan: Plan, record: Record | None, *, whole: bool) -> loop_pb2.Loop:
    """Makes the message of a loop.

    Args:
        job: that runs it.
        plan: what it was asked for.
        record: what it has done; None for nothing yet.
        whole: whether steps, trials and files are wanted.
    """
    record = record or Record()
    loop = loop_pb2.Loop(
        name=loop_of(job.name),
        job=job.name,
        state=job.state,
        plan=to_plan(plan),
        dataset=record.dataset,
        rounds=map(_to_round, record.rounds),
        skipped=record.skipped,
        decision=_to_decision(record.decision) if record.decision else None,
        spent_s=record.spent_s,
        create_time=job.create_time,
        end_time=job.end_time if job.HasField("end_time") else None,
    )
    if whole:
        loop.steps.extend(loop_pb2.LoopStep(**vars(step)) for step in record.steps)
        loop.trials.extend(map(_to_trial, record.trials))
        loop.artifacts.extend(artifact.to_proto() for artifact in record.artifacts)
    return loop


def _to_trial(trial: Trial) -> loop_pb2.LoopTrial:
    state = loop_pb2.LoopTrialState.Value(f"LOOP_TRIAL_STATE_{trial.state}")
    return loop_pb2.LoopTrial(**{**vars(trial), "values": to_struct(trial.values), "state": state})


def _to_round(found: Round) -> loop_pb2.LoopRound:
    weak = [loop_pb2.LoopWeakClass(**vars(each)) for each in found.weak_classes]
    return loop_pb2.LoopRound(**{**vars(found), "weak_classes": weak})


def _to_decision(decision: Decision) -> loop_pb2.LoopDecision:
    outcome = loop_pb2.LoopOutcome.Value(f"LOOP_OUTCOME_{decision.outcome}")
    return loop_pb2.LoopDecision(**{**dataclasses.asdict(decision), "outcome": outcome})


def _read(value: Any) -> Any:
    """Returns a value of a message, or what of a message is set, as JSON has it."""
    if isinstance(value, struct_pb2.Struct):
        return with_integers(from_struct(value))
    if isinstance(value, struct_pb2.Value):
        return with_integers(json_format.MessageToDict(value))
    if isinstance(value, Message):
        return {field.name: _read(item) for field, item in value.ListFields()}
    if isinstance(value, Mapping):
        return {name: _read(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_read(item) for item in value]
    return value
