"""Adds versions: one row that names files which are already in the store, in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from synthmill.catalog.importing.issues import Issue
from synthmill.catalog.listing import find_version, newest_policy
from synthmill.catalog.tables import (
    Collection,
    DatasetRequest,
    DatasetVersion,
    Evaluation,
    ImportIssue,
    ModelVersion,
    PolicyVersion,
    StoredArtifact,
)
from synthmill.runtime.database import writing
from synthmill.runtime.errors import AlreadyExists, InvalidField, Unavailable
from synthmill.runtime.names import DATASETS, EVALUATIONS, MODELS, POLICIES, ResourceName
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
        with writing(database) as session:
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
        with writing(database) as session:
            return add_model_version(session, store, model, version, artifacts)
    except IntegrityError:
        # The same request has arrived twice at once, and the other one was faster.
        if earlier := _find_request(database, request_id, request_digest):
            return earlier
        raise


def publish_policy(session: Session, policy: str, version: PolicyVersion) -> str:
    """Publishes a policy version that was verified, and returns its name; that of the newest one if it is the same.

    Args:
        session: of a transaction that may read before it writes.
    """
    collection = f"{POLICIES}/{policy}"
    newest = newest_policy(session, collection)
    if newest is not None and (newest.kind, newest.digest) == (version.kind, version.digest):
        return newest.name
    _assign_name(session, collection, version)
    session.add(version)
    return version.name


def publish_evaluation(
    session: Session, store: ObjectStore, evaluation: Evaluation, artifacts: Sequence[Artifact]
) -> str:
    """Publishes an evaluation that was verified, and returns its name; repeating a request changes nothing.

    Args:
        session: of a transaction that may read before it writes.
        evaluation: its `request_id` and `request_digest` tell whether this is a repetition.

    Raises:
        NotFound: its subject is not there.
        InvalidField: its subject has another digest.
        AlreadyExists: the request_id was used for another evaluation.
        Unavailable: a file was swept away since it was stored.
    """
    if evaluation.request_id is not None:
        query = select(Evaluation).where(Evaluation.request_id == evaluation.request_id)
        if (earlier := session.scalar(query)) is not None:
            _require_same(evaluation.request_id, earlier.request_digest, evaluation.request_digest)
            return earlier.name
    digest = find_version(session, evaluation.subject, "evaluation.subject").digest
    if evaluation.subject_digest != digest:
        allowed = f"{digest}, the digest of {evaluation.subject}"
        raise InvalidField("evaluation.subject_digest", evaluation.subject_digest, allowed)
    evaluation.name = f"{EVALUATIONS}/{_next_number(session, EVALUATIONS)}"
    _add_with_artifacts(session, store, evaluation, artifacts)
    return evaluation.name


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
            f"request_id: {request_id} was used to publish something else",
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
    _assign_name(session, collection, version)
    _add_with_artifacts(session, store, version, artifacts)


def _add_with_artifacts(
    session: Session,
    store: ObjectStore,
    owner: DatasetVersion | ModelVersion | Evaluation,
    artifacts: Sequence[Artifact],
) -> None:
    for artifact in artifacts:
        if not store.exists(artifact):
            raise Unavailable(f"{artifact.name} was removed from the store while it was being published; try again")
    session.add(owner)
    session.add_all(StoredArtifact(owner=owner.name, **dataclasses.asdict(artifact)) for artifact in artifacts)
    session.flush()


def _assign_name(session: Session, collection: str, version: DatasetVersion | ModelVersion | PolicyVersion) -> None:
    version.collection = collection
    version.name = str(ResourceName(collection, _next_number(session, collection)))


def _next_number(session: Session, collection: str) -> int:
    counted = update(Collection).where(Collection.name == collection).values(last_version=Collection.last_version + 1)
    if session.execute(counted).rowcount == 0:
        session.add(Collection(name=collection, last_version=1))
        session.flush()
    return session.scalars(select(Collection.last_version).where(Collection.name == collection)).one()
