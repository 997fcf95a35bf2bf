"""Pictures that jobs make on their way: the last few are kept in the store, the others are removed."""

from __future__ import annotations

import io

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from synthmill.runtime.errors import NotFound
from synthmill.runtime.jobs.table import FINAL
from synthmill.runtime.jobs.tables import JobPictureRow, JobRow
from synthmill.runtime.store import Artifact, ObjectStore

NAME, MEDIA_TYPE = "progress.png", "image/png"

# While a job runs, somebody may be reading one that has just been superseded.
KEPT = 4


def signed(png: bytes, source: str) -> bytes:
    """Returns a PNG file that says where it comes from.

    The store names files by their content, and two owners may share one. A picture that says which one it is is
    nobody else's, so that it can be removed.

    Args:
        png: the picture.
        source: what no other picture says.
    """
    # Workers start sooner without it, and few of them draw.
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info, file = PngInfo(), io.BytesIO()
    info.add_text("Source", source)
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        picture.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def find_picture(database: Engine, job: str, sha256: str) -> Artifact:
    """Returns a picture of a job; the latest if no digest is given.

    Raises:
        NotFound: the job has no such picture, or none any more.
    """
    query = select(JobPictureRow).join(JobRow).where(JobRow.name == job).order_by(JobPictureRow.sequence.desc())
    if sha256:
        query = query.where(JobPictureRow.sha256 == sha256)
    with Session(database) as session:
        row = session.scalar(query.limit(1))
    if row is None:
        raise NotFound(f"{job} has no {'such picture' if sha256 else 'picture'}", field="sha256", value=sha256)
    return _artifact_of(row)


def remove_superseded(database: Engine, store: ObjectStore) -> int:
    """Removes pictures that have newer ones, all but the last few of a job, or the last one of a job that has ended.

    Returns:
        Their number.
    """
    several = select(JobPictureRow.job_id).group_by(JobPictureRow.job_id).having(func.count() > 1)
    with Session(database) as session:
        jobs = session.execute(select(JobRow.id, JobRow.state).where(JobRow.id.in_(several))).all()
    return sum(_trim(database, store, job.id, 1 if job.state in FINAL else KEPT) for job in jobs)


def _trim(database: Engine, store: ObjectStore, job_id: int, kept: int) -> int:
    query = select(JobPictureRow).where(JobPictureRow.job_id == job_id).order_by(JobPictureRow.sequence.desc())
    with Session(database) as session:
        superseded = session.scalars(query.offset(kept)).all()
    for row in superseded:
        # The file first: whoever dies in between leaves a row, which is seen to the next time.
        store.delete(_artifact_of(row))
        gone = delete(JobPictureRow).where(JobPictureRow.job_id == job_id, JobPictureRow.sequence == row.sequence)
        with Session(database) as session, session.begin():
            session.execute(gone)
    return len(superseded)


def _artifact_of(row: JobPictureRow) -> Artifact:
    return Artifact(row.name, row.uri, row.sha256, row.size_bytes, row.media_type)
