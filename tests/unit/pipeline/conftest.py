"""A world of fake services, and a pipeline service in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit.pipeline.attempts import Service
from unit.pipeline.world import World, running_world


@pytest.fixture
def world() -> Iterator[World]:
    with running_world(World()) as world:
        yield world


@pytest.fixture
def service(world, tmp_path) -> Iterator[Service]:
    service = Service(tmp_path, world)
    yield service
    service.close()
