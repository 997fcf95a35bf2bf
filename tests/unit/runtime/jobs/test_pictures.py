"""Pictures of running jobs: read while they are the latest, removed once there are newer ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.engines import events_of, running_engine, until
from support.handlers import black
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, NotFound, Unavailable
from synthmill.runtime.jobs import engine as engines
from synthmill.runtime.jobs.pictures import KEPT, signed
from synthmill.runtime.store import ObjectStore
from synthmill.v1 import job_pb2

TIMES = 2 * KEPT


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(engines, "_TIDY_INTERVAL_S", 0.1)


def drawing(engine, folder: Path, times: int = TIMES) -> job_pb2.Job:
    return engine.create("draw", {"times": times, "gate": str(folder / "gate")})


def files(folder: Path) -> int:
    return sum(path.is_file() for path in (folder / "objects" / "sha256").rglob("*"))


async def read(engine, name: str, sha256: str = "", offset: int = 0) -> bytes:
    return b"".join([chunk.data async for chunk in engine.read_picture(name, sha256, offset, Drain())])


async def told(engine, name: str) -> list[str]:
    """Digests of the pictures that the events of an ended job told."""
    found = [event.progress.picture.sha256 for event in await events_of(engine, name)]
    return list(dict.fromkeys(filter(None, found)))


async def test_last_few_pictures_are_kept_while_the_job_runs_and_the_last_one_when_it_has_ended(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = drawing(engine, tmp_path)
        await until(lambda: engine.get(job.name).progress.done == TIMES - 1 and files(tmp_path) == KEPT)
        latest = engine.get(job.name).progress.picture
        picture = await read(engine, job.name)
        assert await read(engine, job.name, latest.sha256) == picture
        assert await read(engine, job.name, latest.sha256, offset=10) == picture[10:]
        (tmp_path / "gate").touch()
        digests = await told(engine, job.name)
        await until(lambda: files(tmp_path) == 1)
        assert await read(engine, job.name) == picture
        with pytest.raises(NotFound):
            await read(engine, job.name, digests[0])
    assert len(digests) == TIMES
    assert digests[-1] == latest.sha256


async def test_file_of_somebody_else_with_the_same_picture_stays(tmp_path):
    async with running_engine(tmp_path) as engine:
        store = ObjectStore(str(tmp_path / "objects"))
        theirs = store.put_bytes(black(), "samples.png", "image/png")
        first, second = drawing(engine, tmp_path), drawing(engine, tmp_path)
        (tmp_path / "gate").touch()
        await events_of(engine, first.name)
        await events_of(engine, second.name)
        await until(lambda: files(tmp_path) == 3)
        assert store.get_bytes(theirs) == black()
        assert await read(engine, first.name) != await read(engine, second.name)


async def test_picture_of_an_earlier_attempt_stays_until_there_is_a_newer_one(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = drawing(engine, tmp_path, times=1)
        await until(lambda: engine.get(job.name).progress.HasField("picture"))
        before = engine.get(job.name).progress.picture
        engine.cancel(job.name)
        await events_of(engine, job.name)
        assert (await read(engine, job.name)).startswith(b"\x89PNG")
        (tmp_path / "gate").touch()
        engine.resume(job.name)
        await until(lambda: engine.get(job.name).state == job_pb2.JOB_STATE_SUCCEEDED)
        assert engine.get(job.name).progress.picture != before
        await until(lambda: files(tmp_path) == 1)


async def test_what_is_not_there_is_told(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("tell", {"times": 1})
        for name in (job.name, "jobs/pipeline-000000000000000000"):
            with pytest.raises(NotFound):
                await read(engine, name)
        drawn = drawing(engine, tmp_path, times=1)
        await until(lambda: engine.get(drawn.name).progress.HasField("picture"))
        with pytest.raises(NotFound):
            await read(engine, drawn.name, "0" * 64)
        with pytest.raises(InvalidField):
            await read(engine, drawn.name, offset=-1)
        drain = Drain()
        drain.begin()
        with pytest.raises(Unavailable):
            await anext(engine.read_picture(drawn.name, "", 0, drain))


def test_signed_picture_says_whose_it_is_and_looks_the_same():
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    one, other = (signed(file.getvalue(), source) for source in ("jobs/a", "jobs/b"))
    assert one != other
    with Image.open(io.BytesIO(one)) as picture:
        assert picture.text == {"Source": "jobs/a"}
        assert np.array_equal(np.asarray(picture), pixels)
