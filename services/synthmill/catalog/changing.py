"""Promotes and deletes versions."""

from __future__ import annotations

from sqlalchemy.orm import Session

from synthmill.catalog.disposing import disown
from synthmill.catalog.listing import find_dataset, find_model, promoted_version
from synthmill.catalog.tables import Collection, ModelVersion
from synthmill.runtime.errors import FailedPrecondition
from synthmill.runtime.names import DATASETS, MODELS, parse_version


def promote_model(session: Session, name: str) -> ModelVersion:
    """Makes a version the one that its model's name without a number means.

    Raises:
        InvalidField: `name` is no name of a model version.
        NotFound: there is no such version.
    """
    parsed = parse_version(MODELS, "name", name)
    row = find_model(session, name)
    session.get_one(Collection, parsed.collection).promoted_version = parsed.version
    return row


def delete_dataset(session: Session, name: str) -> None:
    """Deletes a dataset version with its findings and, at the next sweep, its files; errors as `promote_model`."""
    parse_version(DATASETS, "name", name)
    row = find_dataset(session, name)
    disown(session, row.name)
    session.delete(row)


def delete_model(session: Session, name: str) -> None:
    """Deletes a model version and, at the next sweep, its files.

    Raises:
        InvalidField: `name` is no name of a model version.
        NotFound: there is no such version.
        FailedPrecondition: it is promoted.
    """
    parsed = parse_version(MODELS, "name", name)
    row = find_model(session, name)
    if promoted_version(session, parsed.collection) == parsed.version:
        raise FailedPrecondition(
            f"{name} is promoted; promote another version first",
            field="name",
            value=name,
            allowed="a version that is not promoted",
        )
    disown(session, row.name)
    session.delete(row)
