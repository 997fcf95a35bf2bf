"""Finds versions by name, and lists them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from synthmill.catalog.tables import (
    Collection,
    DatasetVersion,
    Evaluation,
    ImportIssue,
    ModelVersion,
    PolicyVersion,
    Promotion,
    StoredArtifact,
)
from synthmill.runtime.errors import NotFound
from synthmill.runtime.names import (
    DATASETS,
    EVALUATIONS,
    MODELS,
    POLICIES,
    ResourceName,
    check_evaluation,
    parse_collection,
    parse_name,
    parse_subject,
)
from synthmill.runtime.paging import Page, parse_page

Row = TypeVar("Row", DatasetVersion, ModelVersion, PolicyVersion, Evaluation, ImportIssue)
Version = TypeVar("Version", DatasetVersion, ModelVersion, PolicyVersion)


@dataclasses.dataclass(frozen=True)
class Listing(Generic[Row]):
    """One page of a list.

    Attributes:
        rows: its rows.
        next_page_token: empty on the last page.
    """

    rows: list[Row]
    next_page_token: str


def find_dataset(session: Session, name: str, field: str = "name") -> DatasetVersion:
    """Returns a dataset version; without a number, the newest.

    Raises:
        InvalidField: `name` is no such name.
        NotFound: there is no such version.
    """
    parsed = parse_name(DATASETS, field, name)
    return _find(session, DatasetVersion, parsed, field)


def find_model(session: Session, name: str, field: str = "name") -> ModelVersion:
    """Returns a model version; without a number, the promoted one, or the newest if none is.

    Raises:
        InvalidField: `name` is no such name.
        NotFound: there is no such version.
    """
    parsed = parse_name(MODELS, field, name)
    if parsed.version is None:
        parsed = dataclasses.replace(parsed, version=promoted_version(session, parsed.collection))
    return _find(session, ModelVersion, parsed, field)


def find_version(session: Session, name: str, field: str) -> DatasetVersion | ModelVersion:
    """Returns a dataset or model version, whichever the name is of; errors as `find_dataset`."""
    is_model = parse_subject(field, name).collection.startswith(f"{MODELS}/")
    return find_model(session, name, field) if is_model else find_dataset(session, name, field)


def find_policy(session: Session, name: str) -> PolicyVersion:
    """Returns a policy version; without a number, the newest; errors as `find_dataset`."""
    return _find(session, PolicyVersion, parse_name(POLICIES, "name", name), "name")


def newest_policy(session: Session, collection: str) -> PolicyVersion | None:
    """Returns the newest version of a policy, "policies/{policy}", or None if it has none."""
    return _lookup(session, PolicyVersion, ResourceName(collection, None))


def find_evaluation(session: Session, name: str, field: str = "name") -> Evaluation:
    """Returns an evaluation; errors as `find_dataset`."""
    row = session.scalar(select(Evaluation).where(Evaluation.name == check_evaluation(field, name)))
    if row is None:
        raise NotFound(f"{field}: there is no {name}", field=field, value=name)
    return row


def newest_evaluation(session: Session, subject: str) -> Evaluation | None:
    """Returns the newest evaluation of a version, or None if it was never evaluated."""
    query = select(Evaluation).where(Evaluation.subject == subject)
    return session.scalars(query.order_by(Evaluation.id.desc()).limit(1)).first()


def latest_promotion(session: Session, row: ModelVersion) -> Promotion | None:
    """Returns how a model version was promoted the last time, or None if it never was."""
    query = select(Promotion).where(Promotion.model_id == row.id)
    return session.scalars(query.order_by(Promotion.id.desc()).limit(1)).first()


def promoted_version(session: Session, collection: str) -> int | None:
    """Returns the number of a model's promoted version, or None."""
    row = session.get(Collection, collection)
    return row.promoted_version if row else None


def is_promoted(session: Session, row: ModelVersion) -> bool:
    """Tells whether a model version is the promoted one."""
    promoted = promoted_version(session, row.collection)
    return promoted is not None and row.name == str(ResourceName(row.collection, promoted))


def artifacts_of(session: Session, owner: str) -> Sequence[StoredArtifact]:
    """Returns the files of a version, in the order they were added."""
    return session.scalars(
        select(StoredArtifact).where(StoredArtifact.owner == owner).order_by(StoredArtifact.id)
    ).all()


def list_datasets(session: Session, page_size: int, page_token: str, dataset: str) -> Listing[DatasetVersion]:
    """Lists dataset versions, the newest first; all of them, or those of one dataset."""
    page = parse_page(page_size, page_token, f"{DATASETS}:{dataset}")
    return _list_versions(session, DatasetVersion, page, dataset and parse_collection(DATASETS, "dataset", dataset))


def list_models(session: Session, page_size: int, page_token: str, model: str) -> Listing[ModelVersion]:
    """Lists model versions, the newest first; all of them, or those of one model."""
    page = parse_page(page_size, page_token, f"{MODELS}:{model}")
    return _list_versions(session, ModelVersion, page, model and parse_collection(MODELS, "model", model))


def list_policies(session: Session, page_size: int, page_token: str, policy: str) -> Listing[PolicyVersion]:
    """Lists policy versions, the newest first; all of them, or those of one policy."""
    page = parse_page(page_size, page_token, f"{POLICIES}:{policy}")
    return _list_versions(session, PolicyVersion, page, policy and parse_collection(POLICIES, "policy", policy))


def list_evaluations(session: Session, page_size: int, page_token: str, subject: str) -> Listing[Evaluation]:
    """Lists evaluations, the newest first; all of them, or those of one version, model or dataset."""
    page = parse_page(page_size, page_token, f"{EVALUATIONS}:{subject}")
    query = select(Evaluation)
    if subject:
        parsed = parse_subject("subject", subject)
        column = Evaluation.collection if parsed.version is None else Evaluation.subject
        query = query.where(column == subject)
    return _list(session, query, Evaluation, page)


def list_issues(session: Session, name: str, page_size: int, page_token: str) -> Listing[ImportIssue]:
    """Lists the findings of a dataset version's import, in the order of the source."""
    version = find_dataset(session, name)
    page = parse_page(page_size, page_token, f"issues:{version.name}", key_length=2)
    query = select(ImportIssue).where(ImportIssue.dataset_id == version.id)
    if page.after:
        query = query.where(tuple_(ImportIssue.position, ImportIssue.id) > page.after)
    rows = _fetch(session, query.order_by(ImportIssue.position, ImportIssue.id), page)
    return _listing(rows, page, lambda row: (row.position, row.id))


def _find(session: Session, table: type[Version], name: ResourceName, field: str) -> Version:
    row = _lookup(session, table, name)
    if row is None:
        raise NotFound(f"{field}: there is no {name}", field=field, value=name)
    return row


def _lookup(session: Session, table: type[Version], name: ResourceName) -> Version | None:
    query = select(table).where(table.collection == name.collection)
    if name.version is not None:
        query = query.where(table.name == str(name))
    return session.scalars(query.order_by(table.id.desc()).limit(1)).first()


def _list_versions(session: Session, table: type[Version], page: Page, collection: str) -> Listing[Version]:
    query = select(table)
    if collection:
        query = query.where(table.collection == collection)
    return _list(session, query, table, page)


def _list(session: Session, query: Select[tuple[Row]], table: type[Row], page: Page) -> Listing[Row]:
    """Returns a page of what a query finds, the newest first."""
    if page.after:
        query = query.where(table.id < page.after[0])
    return _listing(_fetch(session, query.order_by(table.id.desc()), page), page, lambda row: (row.id,))


def _fetch(session: Session, query: Select[tuple[Row]], page: Page) -> list[Row]:
    # One row more than asked for tells whether there is another page.
    return list(session.scalars(query.limit(page.size + 1)).all())


def _listing(rows: list[Row], page: Page, key: Callable[[Row], tuple[int, ...]]) -> Listing[Row]:
    shown = rows[: page.size]
    return Listing(shown, page.token_after(key(shown[-1])) if len(rows) > page.size else "")
