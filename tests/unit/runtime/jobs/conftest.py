"""The databases that jobs are kept in."""

from __future__ import annotations

import pytest

from support import engines
from synthmill.runtime.database import POSTGRESQL, SQLITE


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database(request, monkeypatch) -> None:
    """Lets all engines of a test have their jobs in a database of a sort."""
    if request.param == POSTGRESQL:
        monkeypatch.setattr(engines, "DATABASE", request.getfixturevalue("postgres").create_database())
