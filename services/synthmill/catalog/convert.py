"""Between messages and the catalog's own values."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import timestamp_pb2

from synthmill.catalog import columns
from synthmill.catalog.importing.request import ImportSpec, make_spec
from synthmill.catalog.tables import (
    DatasetVersion,
    Evaluation,
    ImportIssue,
    ModelVersion,
    PolicyVersion,
    Promotion,
    StoredArtifact,
)
from synthmill.catalog.verifying import ModelDraft, check_kind
from synthmill.catalog.verifying_datasets import DatasetDraft, DatasetInfo
from synthmill.kinds.policy_messages import to_policy
from synthmill.runtime.names import check_id, parse_subject
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.runtime.tensors import to_column_specs
from synthmill.v1 import artifact_pb2, catalog_service_pb2, dataset_pb2, evaluation_pb2, model_pb2, policy_pb2

_REASON_PREFIX = "IMPORT_ISSUE_REASON_"
_BETTER_PREFIX = "BETTER_"

# Fields of an evaluation that its row holds as they are.
_EVALUATION_FIELDS = ("subject", "subject_digest", "reference", "reference_digest", "kind", "passed", "job")
_CONDITION_FIELDS = ("figure", "bound", "value", "passed", "sentence")


def to_spec(message: catalog_service_pb2.DatasetSpec) -> ImportSpec:
    """Validates a spec; see `make_spec`."""
    provenance = message.provenance
    return make_spec(
        message.dataset,
        message.kind,
        message.label_from,
        from_struct(message.parameters),
        {"license": provenance.license, "origin": provenance.origin, "consent": provenance.consent},
    )


def to_wrapping(header: catalog_service_pb2.ImportModelHeader) -> dict[str, Any]:
    """Validates the header of a foreign model and returns it as job parameters.

    Raises:
        InvalidField: an id or a kind is not allowed.
    """
    check_kind("kind", header.kind)
    return {
        "model": check_id("model", header.model),
        "kind": header.kind,
        "labels": list(header.labels),
        "parameters": from_struct(header.parameters),
    }


def to_draft(message: model_pb2.Model) -> ModelDraft:
    """Reads a model version as its maker describes it."""
    return ModelDraft(
        kind=message.kind,
        family=message.family,
        labels=list(message.labels),
        artifacts=[Artifact.from_proto(artifact) for artifact in message.artifacts],
        digest=message.digest,
        dataset=message.dataset,
        job=message.job,
        metrics=from_struct(message.metrics),
    )


def to_model_row(draft: ModelDraft, specs: columns.Specs, request_id: str, request_digest: str) -> ModelVersion:
    """Makes the row of a new model version."""
    fields = {field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)}
    del fields["artifacts"]
    return ModelVersion(
        **fields, columns=columns.to_json(specs), request_id=request_id or None, request_digest=request_digest
    )


def to_dataset_draft(message: dataset_pb2.Dataset) -> DatasetDraft:
    """Reads a dataset version as its maker describes it."""
    return DatasetDraft(
        kind=message.kind,
        labels=list(message.labels),
        record_counts={split.name: split.record_count for split in message.splits},
        schema=with_integers(from_struct(message.schema)),
        artifacts=[Artifact.from_proto(artifact) for artifact in message.artifacts],
        digest=message.digest,
    )


def to_dataset_row(message: dataset_pb2.Dataset, info: DatasetInfo) -> DatasetVersion:
    """Makes the row of a new dataset version of what its maker says and what its files say."""
    provenance, count = message.provenance, sum(split["record_count"] for split in info.splits)
    return DatasetVersion(
        kind=message.kind,
        labels=list(message.labels),
        columns=columns.to_json(info.columns),
        splits=info.splits,
        record_count=count,
        schema=with_integers(from_struct(message.schema)),
        statistics=with_integers(from_struct(message.statistics)),
        provenance={"license": provenance.license, "origin": provenance.origin, "consent": provenance.consent},
        report={"seen_count": count, "kept_count": count, "dropped_count": 0, "issue_counts": {}},
        digest=message.digest,
        job=message.job,
    )


def to_evaluation_row(message: evaluation_pb2.Evaluation, request_id: str, request_digest: str) -> Evaluation:
    """Makes the row of a new evaluation."""
    return Evaluation(
        collection=parse_subject("evaluation.subject", message.subject).collection,
        **{name: getattr(message, name) for name in _EVALUATION_FIELDS},
        conditions=[_from_condition(condition) for condition in message.conditions],
        figures=from_struct(message.figures),
        verdict=list(message.verdict),
        request_id=request_id or None,
        request_digest=request_digest,
    )


def request_digest(
    message: catalog_service_pb2.PublishModelRequest
    | catalog_service_pb2.PublishDatasetRequest
    | catalog_service_pb2.PublishEvaluationRequest,
) -> str:
    """Returns a digest by which a repeated request is recognised."""
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


def to_dataset(row: DatasetVersion, artifacts: Sequence[StoredArtifact] = ()) -> dataset_pb2.Dataset:
    """Makes the message of a dataset version."""
    return dataset_pb2.Dataset(
        name=row.name,
        kind=row.kind,
        labels=row.labels,
        columns=to_column_specs(columns.from_json(row.columns)),
        splits=[dataset_pb2.Split(**split) for split in row.splits],
        record_count=row.record_count,
        schema=to_struct(row.schema),
        statistics=to_struct(row.statistics),
        provenance=dataset_pb2.Provenance(**row.provenance),
        report=dataset_pb2.ImportReport(**row.report),
        artifacts=[to_artifact(artifact) for artifact in artifacts],
        digest=row.digest,
        create_time=to_timestamp(row.create_time),
        job=row.job,
    )


def to_issue(row: ImportIssue) -> dataset_pb2.ImportIssue:
    """Makes the message of a finding."""
    return dataset_pb2.ImportIssue(
        source=row.source,
        reason=dataset_pb2.ImportIssueReason.Value(_REASON_PREFIX + row.reason),
        detail=row.detail,
        dropped=row.dropped,
        other=row.other,
    )


def to_model(
    row: ModelVersion, promoted: bool, promotion: Promotion | None, artifacts: Sequence[StoredArtifact] = ()
) -> model_pb2.Model:
    """Makes the message of a model version."""
    return model_pb2.Model(
        name=row.name,
        kind=row.kind,
        family=row.family,
        labels=row.labels,
        columns=to_column_specs(columns.from_json(row.columns)),
        artifacts=[to_artifact(artifact) for artifact in artifacts],
        digest=row.digest,
        dataset=row.dataset,
        job=row.job,
        metrics=to_struct(row.metrics),
        promoted=promoted,
        create_time=to_timestamp(row.create_time),
        promotion=_to_promotion(promotion) if promotion else None,
    )


def to_policy_version(row: PolicyVersion) -> policy_pb2.PolicyVersion:
    """Makes the message of a policy version."""
    return policy_pb2.PolicyVersion(
        name=row.name,
        kind=row.kind,
        policy=to_policy(row.policy),
        digest=row.digest,
        create_time=to_timestamp(row.create_time),
    )


def to_evaluation(row: Evaluation, artifacts: Sequence[StoredArtifact] = ()) -> evaluation_pb2.Evaluation:
    """Makes the message of an evaluation."""
    return evaluation_pb2.Evaluation(
        name=row.name,
        **{name: getattr(row, name) for name in _EVALUATION_FIELDS},
        conditions=[_to_condition(condition) for condition in row.conditions],
        figures=to_struct(row.figures),
        verdict=row.verdict,
        artifacts=[to_artifact(artifact) for artifact in artifacts],
        create_time=to_timestamp(row.create_time),
    )


def to_artifact(row: StoredArtifact) -> artifact_pb2.Artifact:
    """Makes the message of a file."""
    return artifact_pb2.Artifact(
        name=row.name, uri=row.uri, sha256=row.sha256, size_bytes=row.size_bytes, media_type=row.media_type
    )


def from_artifact_row(row: StoredArtifact) -> Artifact:
    """Returns a file as the object store knows it."""
    return Artifact(row.name, row.uri, row.sha256, row.size_bytes, row.media_type)


def to_timestamp(time: datetime.datetime) -> timestamp_pb2.Timestamp:
    """Makes a Timestamp of a time in UTC without a zone."""
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def _from_condition(message: evaluation_pb2.GateCondition) -> dict[str, Any]:
    better = evaluation_pb2.Better.Name(message.better).removeprefix(_BETTER_PREFIX)
    return {**{name: getattr(message, name) for name in _CONDITION_FIELDS}, "better": better}


def _to_condition(condition: Mapping[str, Any]) -> evaluation_pb2.GateCondition:
    better = evaluation_pb2.Better.Value(_BETTER_PREFIX + condition["better"])
    return evaluation_pb2.GateCondition(**{**condition, "better": better})


def _to_promotion(row: Promotion) -> model_pb2.Promotion:
    return model_pb2.Promotion(
        evaluation=row.evaluation, override_reason=row.override_reason, promote_time=to_timestamp(row.promote_time)
    )
