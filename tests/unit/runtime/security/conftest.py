"""A toy service with what it asks of its callers, and who vouches for these."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from support.authority import Authority, Issuer
from support.toys import Toy


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Toy]]:
    """Starts toys with flags."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str) -> Toy:
            toy = Toy(tmp_path, *flags)
            stack.callback(toy.process.stdout.close)
            stack.callback(lambda: toy.process.poll() is None and toy.end())
            return toy

        yield start


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def issuer(tmp_path) -> Issuer:
    return Issuer(tmp_path / "issuer")
