"""Answers of the reading methods, each from one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from synthmill.catalog import convert, listing
from synthmill.catalog.tables import ModelVersion, StoredArtifact
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import DATASETS, EVALUATIONS, MODELS
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2, evaluation_pb2, model_pb2, policy_pb2


def get_dataset(session: Session, request: pb.GetDatasetRequest) -> dataset_pb2.Dataset:
    """Answers GetDataset."""
    row = listing.find_dataset(session, request.name)
    return convert.to_dataset(row, listing.artifacts_of(session, row.name))


def list_datasets(session: Session, request: pb.ListDatasetsRequest) -> pb.ListDatasetsResponse:
    """Answers ListDatasets."""
    page = listing.list_datasets(session, request.page_size, request.page_token, request.dataset)
    return pb.ListDatasetsResponse(datasets=map(convert.to_dataset, page.rows), next_page_token=page.next_page_token)


def list_issues(session: Session, request: pb.ListImportIssuesRequest) -> pb.ListImportIssuesResponse:
    """Answers ListImportIssues."""
    page = listing.list_issues(session, request.name, request.page_size, request.page_token)
    return pb.ListImportIssuesResponse(issues=map(convert.to_issue, page.rows), next_page_token=page.next_page_token)


def get_model(session: Session, request: pb.GetModelRequest) -> model_pb2.Model:
    """Answers GetModel."""
    row = listing.find_model(session, request.name)
    return _to_model(session, row, listing.artifacts_of(session, row.name))


def list_models(session: Session, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
    """Answers ListModels."""
    page = listing.list_models(session, request.page_size, request.page_token, request.model)
    models = [_to_model(session, row) for row in page.rows]
    return pb.ListModelsResponse(models=models, next_page_token=page.next_page_token)


def get_policy(session: Session, request: pb.GetPolicyRequest) -> policy_pb2.PolicyVersion:
    """Answers GetPolicy."""
    return convert.to_policy_version(listing.find_policy(session, request.name))


def list_policies(session: Session, request: pb.ListPoliciesRequest) -> pb.ListPoliciesResponse:
    """Answers ListPolicies."""
    page = listing.list_policies(session, request.page_size, request.page_token, request.policy)
    policies = map(convert.to_policy_version, page.rows)
    return pb.ListPoliciesResponse(policies=policies, next_page_token=page.next_page_token)


def get_evaluation(session: Session, request: pb.GetEvaluationRequest) -> evaluation_pb2.Evaluation:
    """Answers GetEvaluation."""
    row = listing.find_evaluation(session, request.name)
    return convert.to_evaluation(row, listing.artifacts_of(session, row.name))


def list_evaluations(session: Session, request: pb.ListEvaluationsRequest) -> pb.ListEvaluationsResponse:
    """Answers ListEvaluations."""
    page = listing.list_evaluations(session, request.page_size, request.page_token, request.subject)
    evaluations = map(convert.to_evaluation, page.rows)
    return pb.ListEvaluationsResponse(evaluations=evaluations, next_page_token=page.next_page_token)


def artifacts_of_owner(session: Session, jobs: JobEngine, owner: str) -> list[Artifact]:
    """Returns the files of a dataset version, a model version, an evaluation, or a job of this service.

    Raises:
        InvalidField: the owner is none of these.
        NotFound: there is no such owner.
    """
    if owner.startswith("jobs/"):
        progress = jobs.get(owner).progress
        return [Artifact.from_proto(progress.picture)] if progress.HasField("picture") else []
    if owner.startswith(f"{DATASETS}/"):
        row = listing.find_dataset(session, owner, field="owner")
    elif owner.startswith(f"{MODELS}/"):
        row = listing.find_model(session, owner, field="owner")
    elif owner.startswith(f"{EVALUATIONS}/"):
        row = listing.find_evaluation(session, owner, field="owner")
    else:
        raise InvalidField("owner", owner, "a dataset or model version, an evaluation, or a job")
    return [convert.from_artifact_row(artifact) for artifact in listing.artifacts_of(session, row.name)]


def _to_model(session: Session, row: ModelVersion, artifacts: Sequence[StoredArtifact] = ()) -> model_pb2.Model:
    return convert.to_model(row, listing.is_promoted(session, row), listing.latest_promotion(session, row), artifacts)
