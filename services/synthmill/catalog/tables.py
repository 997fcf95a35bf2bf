"""The catalog's tables; they live in the same database as its jobs, so that one transaction covers both."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from synthmill.runtime.database import Base


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class Collection(Base):
    """All versions of one dataset, model or policy; outlives them, so that a number is never given twice."""

    __tablename__ = "catalog_collections"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]
    promoted_version: Mapped[int | None]


class DatasetVersion(Base):
    """An immutable version of a dataset; columns are as in the message `Dataset`."""

    __tablename__ = "catalog_datasets"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    collection: Mapped[str] = mapped_column(ForeignKey(Collection.name), index=True)
    kind: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(JSON)
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    splits: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    record_count: Mapped[int]
    schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    statistics: Mapped[dict[str, Any]] = mapped_column(JSON)
    provenance: Mapped[dict[str, str]] = mapped_column(JSON)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str]
    job: Mapped[str]
    create_time: Mapped[datetime.datetime] = mapped_column(DateTime, default=_now)
    issues: Mapped[list[ImportIssue]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class ImportIssue(Base):
    """One finding of an import; columns are as in the message `ImportIssue`."""

    __tablename__ = "catalog_import_issues"
    __table_args__ = (Index("catalog_import_issues_order", "dataset_id", "position", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey(DatasetVersion.id, ondelete="CASCADE"))
    position: Mapped[int]
    source: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    dropped: Mapped[bool]
    other: Mapped[str]


class DatasetRequest(Base):
    """A request that has published a dataset version; goes with it."""

    __tablename__ = "catalog_dataset_requests"

    request_id: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[str]
    dataset_id: Mapped[int] = mapped_column(ForeignKey(DatasetVersion.id, ondelete="CASCADE"))


class ModelVersion(Base):
    """An immutable version of a model; columns are as in the message `Model`."""

    __tablename__ = "catalog_models"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    collection: Mapped[str] = mapped_column(ForeignKey(Collection.name), index=True)
    kind: Mapped[str]
    family: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(JSON)
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    digest: Mapped[str]
    dataset: Mapped[str]
    job: Mapped[str]
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_id: Mapped[str | None] = mapped_column(unique=True)
    request_digest: Mapped[str]
    create_time: Mapped[datetime.datetime] = mapped_column(DateTime, default=_now)


class PolicyVersion(Base):
    """An immutable version of a policy; columns are as in the message `PolicyVersion`."""

    __tablename__ = "catalog_policies"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    collection: Mapped[str] = mapped_column(ForeignKey(Collection.name), index=True)
    kind: Mapped[str]
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str]
    create_time: Mapped[datetime.datetime] = mapped_column(DateTime, default=_now)


class Evaluation(Base):
    """What was found out about a version; columns are as in the message `Evaluation`."""

    __tablename__ = "catalog_evaluations"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    collection: Mapped[str] = mapped_column(ForeignKey(Collection.name), index=True)
    subject: Mapped[str] = mapped_column(index=True)
    subject_digest: Mapped[str]
    reference: Mapped[str]
    reference_digest: Mapped[str]
    kind: Mapped[str]
    passed: Mapped[bool]
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    figures: Mapped[dict[str, float]] = mapped_column(JSON)
    verdict: Mapped[list[str]] = mapped_column(JSON)
    job: Mapped[str]
    request_id: Mapped[str | None] = mapped_column(unique=True)
    request_digest: Mapped[str]
    create_time: Mapped[datetime.datetime] = mapped_column(DateTime, default=_now)


class Promotion(Base):
    """One promotion of a model version; goes with it. Columns are as in the message `Promotion`."""

    __tablename__ = "catalog_promotions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    model_id: Mapped[int] = mapped_column(ForeignKey(ModelVersion.id, ondelete="CASCADE"), index=True)
    evaluation: Mapped[str]
    override_reason: Mapped[str]
    promote_time: Mapped[datetime.datetime] = mapped_column(DateTime, default=_now)


class StoredArtifact(Base):
    """A file of the object store and the version, evaluation or upload that owns it."""

    __tablename__ = "catalog_artifacts"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    owner: Mapped[str]
    name: Mapped[str]
    uri: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int]
    media_type: Mapped[str]


class Garbage(Base):
    """A file of the object store that lost an owner, and may be removed if it has no other."""

    __tablename__ = "catalog_garbage"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    uri: Mapped[str]
    size_bytes: Mapped[int]
