"""Transactions of several writers at once."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from synthmill.runtime.database import POSTGRESQL, SQLITE, Base, open_database, writing
from synthmill.runtime.errors import InvalidField


class Note(Base):
    """A row of a table that only this test has."""

    __tablename__ = "test_database_notes"

    number: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database(request, tmp_path):
    sqlite = request.param == SQLITE
    url = f"sqlite:///{tmp_path / 'notes.db'}" if sqlite else request.getfixturevalue("postgres").create_database()
    database = open_database(url)
    Note.__table__.create(database)
    yield database
    database.dispose()


def count(session):
    return session.scalar(select(func.count()).select_from(Note))


def test_transaction_that_reads_before_it_writes_is_not_overtaken(database):
    def add_one():
        with writing(database) as session:
            session.add(Note(number=1))

    other = threading.Thread(target=add_one)
    with writing(database) as session:
        assert count(session) == 0
        other.start()
        other.join(0.2)
        assert count(session) == 0
        session.add(Note(number=2))
    other.join(10)
    with Session(database) as session:
        assert count(session) == 2


def test_many_that_read_and_write_take_turns(database):
    def add_next():
        for _ in range(20):
            with writing(database) as session:
                session.add(Note(number=count(session)))

    threads = [threading.Thread(target=add_next) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with Session(database) as session:
        assert count(session) == 80


def test_error_undoes_everything(database):
    with pytest.raises(ZeroDivisionError), writing(database) as session:
        session.add(Note(number=1))
        session.flush()
        1 / 0  # noqa: B018
    with Session(database) as session:
        assert count(session) == 0


@pytest.mark.parametrize("url", ["mysql://me:secret@host/name", "nonsense", "", "oracle://secret"])
def test_database_that_there_is_no_support_for_is_refused_without_telling_secrets(url):
    with pytest.raises(InvalidField, match="postgresql://USER@HOST/NAME") as refusal:
        open_database(url)
    assert "secret" not in str(refusal.value)
