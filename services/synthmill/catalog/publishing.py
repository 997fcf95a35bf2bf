"""Adds versions: one row that names files which are already in the store, in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from synthmill.catalog.importing.issues import Issue
from synthmill.catalog.tables import (
    Collection,
    DatasetRequest,
    DatasetVersion,
    ImportIssue,
    ModelVersion,
    StoredArtifact,
)
from synthmill.runtime.errors import AlreadyExists, Unavailable
from synthmill.runtime.names import DATASETS, MODELS
from synthmill.runtime.store import Artifact, ObjectStore

_ROWS_AT_ONCE = 10_000


def add_dataset_version(
    session: Session,
    store: ObjectStore,
    dataset: str,
    version: DatasetVersion,
    artifacts: Sequence[Artifact],
    issues: Iterable[Issue],
) -> str:
    """Adds the next version of a dataset to a transaction and returns its name.

    Raises:
        Unavailable: a file was swept away since it was stored; storing it again helps.
    """
    _add_version(session, store, f"{DATASETS}/{dataset}", version, artifacts)
    rows = [{"dataset_id": version.id, **dataclasses.asdict(issue)} for issue in issues]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        session.execute(insert(ImportIssue), rows[start : start + _ROWS_AT_ONCE])
    return version.name


def add_model_version(
    session: Session, store: ObjectStore, model: str, version: ModelVersion, artifacts: Sequence[Artifact]
) -> str:
    """Adds the next version of a model to a transaction and returns its name; errors as `add_dataset_version`."""
    _add_version(session, store, f"{MODELS}/{model}", version, artifacts)
    return version.name


def publish_dataset(
    database: Engine,
    store: ObjectStore,
    dataset: str,
    version: DatasetVersion,
    artifacts: Sequence[Artifact],
    request_id: str,
    request_digest: str,
) -> str:
    """Publishes a dataset version that was verified, and returns its name; repeating a request changes nothing.

    Args:
        request_id: empty means that no request repeats this one.
        request_digest: tells whether it is a repetition.

    Raises:
        AlreadyExists: the request_id was used for another version.
        Unavailable: a file was swept away since it was stored.
    """
    if earlier := _find_dataset_request(database, request_id, request_digest):
        return earlier
    try:
        with Session(database) as session, session.begin():
            name = add_dataset_version(session, store, dataset, version, artifacts, ())
            if request_id:
                session.add(DatasetRequest(request_id=request_id, request_digest=request_digest, dataset_id=version.id))
            return name
    except IntegrityError:
        # The same request has arrived twice at once, and the other one was faster.
        if earlier := _find_dataset_request(database, request_id, request_digest):
            return earlier
        raise


def publish_model(
    database: Engine, store: ObjectStore, model: str, version: ModelVersion, artifacts: Sequence[Artifact]
) -> str:
    """Publishes a model version that was verified, and returns its name; repeating a request changes nothing.

    Args:
        version: its `request_id` and `request_digest` tell whether this is a repetition.

    Raises:
        AlreadyExists: the request_id was used for another version.
        Unavailable: a file was swept away since it was stored.
    """
    request_id, request_digest = version.request_id, version.request_digest
    if earlier := _find_request(database, request_id, request_digest):
        return earlier
    try:
        with Session(database) as session, session.begin():
            return add_model_version(session, store, model, version, artifacts)
    except IntegrityError:
        # The same request has arrived twice at once, and the other one was faster.
        if earlier := _find_request(database, request_id, request_digest):
            return earlier
        raise


def _find_request(database: Engine, request_id: str | None, request_digest: str) -> str | None:
    if request_id is None:
        return None
    with Session(database) as session:
        row = session.scalar(select(ModelVersion).where(ModelVersion.request_id == request_id))
    if row is not None:
        _require_same(request_id, row.request_digest, request_digest)
    return row.name if row else None


def _find_dataset_request(database: Engine, request_id: str, request_digest: str) -> str | None:
    query = select(DatasetVersion.name, DatasetRequest.request_digest).join(DatasetRequest)
    with Session(database) as session:
        row = session.execute(query.where(DatasetRequest.request_id == request_id)).one_or_none()
    if row is not None:
        _require_same(request_id, row.request_digest, request_digest)
    return row.name if row else None


def _require_same(request_id: str, used_for: str, request_digest: str) -> None:
    if used_for != request_digest:
        raise AlreadyExists(
            f"request_id: {request_id} was used to publish another version",
            field="request_id",
            value=request_id,
            allowed="a new UUID for a new request",
        )


def _add_version(
    session: Session,
    store: ObjectStore,
    collection: str,
    version: DatasetVersion | ModelVersion,
    artifacts: Sequence[Artifact],
) -> None:
    number = _next_number(session, collection)
    for artifact in artifacts:
        if not store.exists(artifact):
            raise Unavailable(f"{artifact.name} was removed from the store while it was being published; try again")
    version.collection = collection
    version.name = f"{collection}/versions/{number}"
    session.add(version)
    session.add_all(StoredArtifact(owner=version.name, **dataclasses.asdict(artifact)) for artifact in artifacts)
    session.flush()


def _next_number(session: Session, collection: str) -> int:
    # Writing first takes the database's write lock, so that two publications cannot read the same number.
    counted = update(Collection).where(Collection.name == collection).values(last_version=Collection.last_version + 1)
    if session.execute(counted).rowcount == 0:
        session.add(Collection(name=collection, last_version=1))
        session.flush()
    return session.scalars(select(Collection.last_version).where(Collection.name == collection)).one()
