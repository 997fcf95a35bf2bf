"""Tests of training know the toy kind of the contract suite."""

from __future__ import annotations

import pytest

from synthmill.kinds import registry


@pytest.fixture
def _toy_kind(monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, "kinds.point")
    registry.all_kinds.cache_clear()
    yield
    registry.all_kinds.cache_clear()
