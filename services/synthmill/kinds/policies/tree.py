"""The tree that a policy is, and which of its steps happen to which record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synthmill.runtime.squares import WORDS_PER_INDEX, derive_key, squares32

MAX_NODES = 1024
"""Nodes that a policy may have, everything repeated written out."""

WORDS_PER_NODE = WORDS_PER_INDEX // MAX_NODES
"""Random words that a node has for each record."""

MAX_DRAWS = WORDS_PER_NODE - 2
"""Numbers that a node may draw, its own and its operation's; the last two words make its seed."""

_SCALE = 2.0**-32
_SEED_WORDS = np.array([WORDS_PER_NODE - 2, WORDS_PER_NODE - 1], np.uint64)


@dataclasses.dataclass(frozen=True)
class Node:
    """A step of a policy.

    Attributes:
        path: where it stands in the policy: "steps[1].one_of[0]".
        number: its own, counted through the tree with everything repeated written out.
        probability: share of the records that it happens to.
    """

    path: str
    number: int
    probability: float


@dataclasses.dataclass(frozen=True)
class Apply(Node):
    """An operation.

    Attributes:
        operation: its name.
        parameters: validated.
        draws: numbers that it draws for each record.
    """

    operation: str
    parameters: Any
    draws: int


@dataclasses.dataclass(frozen=True)
class Group(Node):
    """Steps that happen in their order, or not at all."""

    steps: tuple[Node, ...]


@dataclasses.dataclass(frozen=True)
class OneOf(Group):
    """Steps of which one happens, each as often as its weight says; weights sum to 1."""

    weights: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class SomeOf(Group):
    """Steps of which some happen, `least` to `most` of them, in the order that they have here."""

    least: int
    most: int


@dataclasses.dataclass(frozen=True)
class Traced:
    """An operation that happened to a record.

    Attributes:
        path: of its step in the policy.
        operation: its name.
        values: what was drawn for it, as JSON.
    """

    path: str
    operation: str
    values: Mapping[str, Any]


class Draws:
    """Random numbers of some records: functions of seed, index and node alone.

    Args:
        seed: in [0, 2^64).
        index: of the records, int64 (N,), each in [0, 2^48).
        nodes: nodes that may be asked about.
    """

    def __init__(self, seed: int, index: np.ndarray, nodes: Sequence[Node]) -> None:
        self._key, self._rows = derive_key(seed), index.astype(np.uint64)[:, None] * np.uint64(WORDS_PER_INDEX)
        words, self._columns = [], {}
        for node in nodes:
            self._columns[node.number] = len(words)
            words += range(node.number * WORDS_PER_NODE, node.number * WORDS_PER_NODE + _count(node))
        # All at once: a policy draws a few numbers in each of many places.
        self._numbers = self._uniform(self._rows + np.array(words, np.uint64)) if words else np.empty((len(index), 0))

    def chances(self, node: Node, rows: np.ndarray) -> np.ndarray:
        """Returns what decides about a node, float64 in (0, 1), for some positions in the batch, (len(rows), ...)."""
        start = self._columns[node.number]
        return self._numbers[rows, start : start + _own(node)]

    def parameters(self, node: Apply, rows: np.ndarray) -> np.ndarray:
        """Returns what decides about an operation's parameters, float64 in (0, 1), (len(rows), node.draws)."""
        start = self._columns[node.number] + _own(node)
        return self._numbers[rows, start : start + node.draws]

    def seeds(self, node: Node, rows: np.ndarray) -> np.ndarray:
        """Returns seeds for what draws more numbers than a node has, uint64 (len(rows),)."""
        words = self._rows[rows] + np.uint64(node.number * WORDS_PER_NODE) + _SEED_WORDS
        high, low = squares32(words, self._key).T
        return (high << np.uint64(32)) | low

    def _uniform(self, counters: np.ndarray) -> np.ndarray:
        return (squares32(counters, self._key).astype(np.float64) + 0.5) * _SCALE


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yields all nodes below, each before its own steps."""
    for node in nodes:
        yield node
        if isinstance(node, Group):
            yield from walk(node.steps)


def select(nodes: Sequence[Node], rows: np.ndarray, draws: Draws) -> Iterator[tuple[Apply, np.ndarray]]:
    """Yields the operations in their order, each with the positions of the records that it happens to, ascending.

    Args:
        nodes: steps of a policy.
        rows: positions of the records in the batch, ascending.
        draws: decide.
    """
    for node in nodes:
        chances = draws.chances(node, rows) if _own(node) else None
        here = rows
        if node.probability < 1:
            happens = chances[:, 0] < node.probability
            here, chances = rows[happens], chances[happens, 1:]
        if not len(here):
            continue
        if isinstance(node, Apply):
            yield node, here
        elif isinstance(node, OneOf):
            chosen = np.searchsorted(np.cumsum(node.weights)[:-1], chances[:, 0], side="right")
            for position, step in enumerate(node.steps):
                yield from select([step], here[chosen == position], draws)
        elif isinstance(node, SomeOf):
            wanted = node.least + np.floor(chances[:, 0] * (node.most - node.least + 1))
            ranks = chances[:, 1:].argsort(axis=1).argsort(axis=1)
            for position, step in enumerate(node.steps):
                yield from select([step], here[ranks[:, position] < wanted], draws)
        elif isinstance(node, Group):
            yield from select(node.steps, here, draws)


def _own(node: Node) -> int:
    """Returns how many numbers decide whether, and which of its steps, a node does."""
    chance = int(node.probability < 1)
    if isinstance(node, OneOf):
        return chance + 1
    if isinstance(node, SomeOf):
        return chance + 1 + len(node.steps)
    return chance


def _count(node: Node) -> int:
    return _own(node) + (node.draws if isinstance(node, Apply) else 0)
