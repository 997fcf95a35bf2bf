"""A collector, and the toy service that sends it traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.collector import Collected, Collector, running_collector
from support.processes import until
from support.toys import Toy


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture
def toy(tmp_path, collector) -> Iterator[Toy]:
    toy = Toy(tmp_path, env=collector.env)
    yield toy
    if toy.process.poll() is None:
        toy.end()


@pytest.fixture
def spans(collector) -> Callable[[int], list[Collected]]:
    """Waits until so many spans have come, and returns all."""

    def spans(count: int) -> list[Collected]:
        until(lambda: len(collector.spans()) >= count)
        return collector.spans()

    return spans
