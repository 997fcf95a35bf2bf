"""Removes files from the object store once nothing names them.

A file is content: two versions may share it. So a deletion only marks its files, in the same transaction, and a sweep
removes those without an owner, whatever happened in between.
"""

from __future__ import annotations

from sqlalchemy import Engine, delete, exists, select
from sqlalchemy.orm import Session

from synthmill.catalog.tables import Garbage, StoredArtifact
from synthmill.runtime.database import writing
from synthmill.runtime.store import Artifact, ObjectStore


def disown(session: Session, owner: str) -> None:
    """Takes all files from an owner and marks them for the next sweep."""
    for row in session.scalars(select(StoredArtifact).where(StoredArtifact.owner == owner)).all():
        session.merge(Garbage(sha256=row.sha256, name=row.name, uri=row.uri, size_bytes=row.size_bytes))
        session.delete(row)


def sweep(database: Engine, store: ObjectStore) -> int:
    """Removes marked files that have no owner left and returns their number."""
    with Session(database) as session:
        marked = session.scalars(select(Garbage)).all()
    return sum(_remove(database, store, row) for row in marked)


def _remove(database: Engine, store: ObjectStore, row: Garbage) -> bool:
    # A publication that wants this file comes before or after, and one that comes after finds it missing
    # (`publishing.add_dataset_version`).
    with writing(database) as session:
        session.execute(delete(Garbage).where(Garbage.sha256 == row.sha256))
        if session.scalar(select(exists().where(StoredArtifact.sha256 == row.sha256))):
            return False
        store.delete(Artifact(row.name, row.uri, row.sha256, row.size_bytes))
        return True
