"""Draws batches from a strategy: from the same seed the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

_PLAIN = settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def drawn(strategy: SearchStrategy[T], number: int, count: int) -> list[T]:
    """Returns up to `count` values of a strategy; fewer if it has no more different ones.

    Args:
        number: seed of the draws.
    """
    values: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        values.append(value)

    collect()
    return values[:count]


def batches(strategy: SearchStrategy[T], number: int, size: int) -> Iterator[list[T]]:
    """Yields batches of a strategy without end, each from a number of its own; the next one is drawn meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(drawn, strategy, number, size)
        while True:
            batch, number = upcoming.result(), number + 1
            upcoming = pool.submit(drawn, strategy, number, size)
            yield batch
