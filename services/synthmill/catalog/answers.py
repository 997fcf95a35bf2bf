"""Answers of the reading methods, each from one transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from synthmill.catalog import convert, listing
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import DATASETS, MODELS
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2, model_pb2


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
    return convert.to_model(row, listing.is_promoted(session, row), listing.artifacts_of(session, row.name))


def list_models(session: Session, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
    """Answers ListModels."""
    page = listing.list_models(session, request.page_size, request.page_token, request.model)
    models = [convert.to_model(row, listing.is_promoted(session, row)) for row in page.rows]
    return pb.ListModelsResponse(models=models, next_page_token=page.next_page_token)


def artifacts_of_owner(session: Session, jobs: JobEngine, owner: str) -> list[Artifact]:
    """Returns the files of a dataset version, a model version, or a job of this service.

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
    else:
        raise InvalidField("owner", owner, "a dataset or model version, or a job")
    return [convert.from_artifact_row(artifact) for artifact in listing.artifacts_of(session, row.name)]
