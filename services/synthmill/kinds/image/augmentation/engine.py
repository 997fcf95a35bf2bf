"""Applies policies to records: decides about a whole batch in a few array operations, then works record by record.

Geometry that nothing comes between becomes one map and is resampled once; colours become one matrix. Maps of places and
maps of colours can change places, as resampling is linear: so what is between two rotations may well be a change of
contrast. Anything else ends both.

It is as if every image went on beyond its edges as the border says, and operations acted on all of that. A rotation
after a crop therefore shows what the crop had left out, where there is anything, and not the border; only operations
that add a border of their own, such as `pad`, take the picture as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import numpy as np

from synthmill.kinds.image.augmentation.device import Device
from synthmill.kinds.image.augmentation.example import MAX_PIXELS, MAX_SIDE, Example, require_valid
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.operations.base import (
    Colour,
    Curve,
    Distortion,
    Drawn,
    Geometry,
    Mixture,
    Operation,
    Paint,
)
from synthmill.kinds.image.augmentation.resampling import Border, make_views
from synthmill.kinds.image.augmentation.work import Bend, Brush, Combine, Cut, Distort, Mix, Move, Step, Work
from synthmill.kinds.policies.parsing import Policy
from synthmill.kinds.policies.tree import Apply, Draws, Traced, select, walk
from synthmill.runtime.errors import FailedPrecondition, InvalidField, SynthmillError

_SEED_STEP = 0x9E3779B97F4A7C15
_MOST_PARTNERS = 8
_SAME = 1e-9
# A map of RGB in [0, 1], as one of [0, 255].
_LEVELS = np.array([1, 1, 1, 255])
# How much of an area maps may make, and how little: beyond it nothing is seen, and rounding errors grow.
_MOST_AREA = 1e18


class Pool(Protocol):
    """Records that others are mixed with."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Example: ...


class Augmenter:
    """A policy that is ready to be applied, from any number of threads.

    Args:
        policy: checked against `OPERATIONS`.
        pool: what records are mixed with; must not change.
        executor: runs records side by side; without one, they run one after the other.
        class_count: length that labels must have; None allows any.
        device: does the first steps of records where it can; partners they are mixed with come from the CPU.

    Raises:
        FailedPrecondition: the policy mixes records, and there is no pool.
    """

    def __init__(
        self,
        policy: Policy,
        pool: Pool | None = None,
        executor: Executor | None = None,
        class_count: int | None = None,
        device: Device | None = None,
    ) -> None:
        self.policy, self._pool, self._executor, self._class_count = policy, pool, executor, class_count
        self._device = device
        self._nodes = list(walk(policy.nodes))
        settings = policy.settings
        self._border = Border(settings.border, settings.fill, settings.mask_fill)
        used = [(node, OPERATIONS[node.operation]) for node in self._nodes if isinstance(node, Apply)]
        self._bends = any(isinstance(operation, Distortion) for _, operation in used)
        for node, operation in used:
            if isinstance(operation, Mixture) and not (pool is not None and len(pool)):
                raise FailedPrecondition(
                    f"{node.path}: {node.operation} mixes a record with others, and there is no pool of them",
                    field=node.path,
                )

    def augment(self, examples: Sequence[Example], index: Sequence[int], seed: int) -> list[Example]:
        """Returns what becomes of records; each is a function of itself, its index and the seed alone.

        Args:
            examples: the records; none is changed.
            index: of each, in [0, 2^48).
            seed: in [0, 2^64).

        Raises:
            SynthmillError: what `attempt` returns for the first record that cannot be augmented.
        """
        results = self.attempt(examples, index, seed)
        for result in results:
            if isinstance(result, SynthmillError):
                raise result
        return results  # type: ignore[return-value]

    def attempt(self, examples: Sequence[Example], index: Sequence[int], seed: int) -> list[Example | SynthmillError]:
        """Does what `augment` does, and returns errors in the places of the records that have them.

        Such is InvalidField, if a record is not what `Example` says, or a step of the policy would make it too large.
        """
        checked = [self._check(example) for example in examples]
        sizes = np.array([(1, 1) if error else example.size for example, error in zip(examples, checked, strict=True)])
        plan = self._plan(sizes, np.asarray(index, np.int64), seed)
        errors = [first or second for first, second in zip(checked, plan.errors, strict=True)]
        steps = [[] if error else own for error, own in zip(errors, plan.steps, strict=True)]
        if self._device is not None:
            steps = self._device.begin([example.image for example in examples], steps, self._border)

        def run(row: int) -> Example | SynthmillError:
            if error := errors[row]:
                return error
            try:
                return self._run(examples[row], steps[row])
            except SynthmillError as error:
                return error

        rows = range(len(examples))
        return list(self._executor.map(run, rows) if self._executor else map(run, rows))

    def trace(self, examples: Sequence[Example], index: Sequence[int], seed: int) -> list[list[Traced]]:
        """Returns what happens to records, without doing it."""
        sizes = np.array([example.size for example in examples])
        return self._plan(sizes, np.asarray(index, np.int64), seed, traces=True).traces

    def _check(self, example: Example) -> SynthmillError | None:
        try:
            require_valid(example, self._class_count)
        except SynthmillError as error:
            return error
        return None

    def _run(self, example: Example, steps: Sequence[Step]) -> Example:
        work = Work.begin(example, self._border, self.policy.settings.min_visible, bends=self._bends)
        for step in steps:
            step(work)
        return work.result()

    def _plan(
        self, sizes: np.ndarray, index: np.ndarray, seed: int, *, before: Apply | None = None, traces: bool = False
    ) -> _Plan:
        """Decides about records.

        Args:
            sizes: height and width, (n, 2).
            before: plans only what comes before this mixture, and no mixture.
            traces: notes what happens.
        """
        plan = _Plan(sizes.astype(np.float64), traces=traces)
        draws = Draws(seed, index, self._nodes)
        for node, rows in select(self.policy.nodes, np.arange(len(index)), draws):
            operation = OPERATIONS[node.operation]
            if before is not None and node.number >= before.number:
                break
            if before is not None and isinstance(operation, Mixture):
                continue
            drawn = operation.draw(node.parameters, draws.parameters(node, rows), plan.size[rows])
            plan.note(node, rows, drawn)
            if isinstance(operation, Geometry):
                plan.move(node, rows, operation, drawn)
            elif isinstance(operation, Colour):
                plan.mix(rows, operation.mix(node.parameters, drawn, len(rows)))
            elif isinstance(operation, Curve):
                plan.add(Bend, node, rows, operation, drawn)
            elif isinstance(operation, Paint):
                plan.add(Brush, node, rows, operation, drawn, draws.seeds(node, rows).tolist())
            elif isinstance(operation, Distortion):
                plan.distort(node, rows, operation, drawn, draws.seeds(node, rows).tolist())
            else:
                partners = self._partners(node, index[rows], seed, drawn["partners"])
                plan.add(Combine, node, rows, operation, drawn, partners)
        plan.flush(np.arange(len(index)))
        return plan

    def _partners(
        self, node: Apply, index: np.ndarray, seed: int, chances: np.ndarray
    ) -> list[tuple[Callable[[], Example], ...]]:
        """Returns what makes the partners of some records: records of the pool, after what the policy does before."""
        positions = (chances * len(self._pool)).astype(int)

        def make(row: int, which: int) -> Example:
            # A seed of its own: a record that is its own partner is so after other draws.
            own_seed = (seed + (node.number * _MOST_PARTNERS + which + 1) * _SEED_STEP) % (1 << 64)
            example = self._pool[int(positions[row, which])]
            plan = self._plan(np.array([example.size]), index[row : row + 1], own_seed, before=node)
            if plan.errors[0]:
                raise plan.errors[0]
            return self._run(example, plan.steps[0])

        return [
            tuple(lambda row=row, which=which: make(row, which) for which in range(chances.shape[1]))
            for row in range(len(index))
        ]


class _Plan:
    """What is to be done to each record of a batch, as far as it is decided.

    Attributes:
        size: height and width after what is decided, float64 (n, 2).
        steps: of each record.
        errors: why a record cannot be augmented.
        traces: what happens to each record, if that is noted.
    """

    def __init__(self, size: np.ndarray, *, traces: bool) -> None:
        count = len(size)
        self.size, self.steps = size, [[] for _ in range(count)]
        self.errors: list[SynthmillError | None] = [None] * count
        self.traces: list[list[Traced]] = [[] for _ in range(count)]
        self._notes = traces
        # What is not yet a step: maps of places and of colours, and the size before.
        self._matrix, self._moved = np.tile(np.eye(3), (count, 1, 1)), np.zeros(count, bool)
        # Where something may have been moved out of the picture.
        self._shown = np.zeros(count, bool)
        self._colour, self._mixed = np.tile(np.eye(4), (count, 1, 1)), np.zeros(count, bool)
        self._before = size.copy()

    def note(self, node: Apply, rows: np.ndarray, drawn: Drawn) -> None:
        """Writes down what happens."""
        if not self._notes:
            return
        for position, row in enumerate(rows.tolist()):
            values = {name: array[position].tolist() for name, array in drawn.items()}
            self.traces[row].append(Traced(node.path, node.operation, values))

    def move(self, node: Apply, rows: np.ndarray, operation: Geometry, drawn: Drawn) -> None:
        """Adds a map of places."""
        before = self.size[rows]
        bordered = rows[operation.adds_border(node.parameters, before)]
        if len(bordered):
            self.flush(bordered)
        placement = operation.place(node.parameters, drawn, before)
        matrix = placement.matrix @ self._matrix[rows]
        area = np.abs(matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0])
        extreme = (area > _MOST_AREA) | (area < 1 / _MOST_AREA)
        if extreme.any():
            allowed = f"areas multiplied by {1 / _MOST_AREA:g} to {_MOST_AREA:g}"
            for position in np.flatnonzero(extreme).tolist():
                self.errors[rows[position]] = InvalidField(node.path, f"one multiplied by {area[position]:g}", allowed)
            matrix[extreme] = np.eye(3)
        self._matrix[rows] = matrix
        self._moved[rows] = True
        if placement.size is not before:
            self._resize(node, rows, np.broadcast_to(placement.size, before.shape))

    def _resize(self, node: Apply, rows: np.ndarray, size: np.ndarray) -> None:
        too_large = (size > MAX_SIDE).any(axis=1) | (size.prod(axis=1) > MAX_PIXELS)
        for position in np.flatnonzero(too_large).tolist():
            height, width = size[position].astype(int).tolist()
            allowed = f"{MAX_SIDE} pixels a side, {MAX_PIXELS} in all"
            self.errors[rows[position]] = InvalidField(node.path, f"a result of {width} x {height} pixels", allowed)
        self.size[rows] = np.where(too_large[:, None], 1, size)

    def mix(self, rows: np.ndarray, colour: np.ndarray) -> None:
        """Adds a map of colours."""
        self._colour[rows] = colour @ self._colour[rows]
        self._mixed[rows] = True

    def distort(self, node: Apply, rows: np.ndarray, operation: Distortion, drawn: Drawn, seeds: list[int]) -> None:
        """Adds a field, which takes in the maps of places before it."""
        matrices, sizes = (
            self._matrix[rows],
            [(height, width) for height, width in self.size[rows].astype(int).tolist()],
        )
        self._forget_moves(rows)
        self._cut(rows)
        self.add(Distort, node, rows, operation, drawn, seeds, matrices, sizes)

    def add(
        self,
        step: Callable[..., Step],
        node: Apply,
        rows: np.ndarray,
        operation: Operation,
        drawn: Drawn,
        *more: Sequence[Any],
    ) -> None:
        """Adds a step to some records, after what was not yet one.

        Args:
            step: made of the operation, what it was given, a record's values, and the record's part of `more`.
        """
        self.flush(rows)
        names, given = tuple(drawn), node.parameters
        each = zip(*drawn.values(), strict=True) if drawn else [()] * len(rows)
        for row, values, *own in zip(rows.tolist(), each, *more, strict=True):
            self.steps[row].append(step(operation, given, dict(zip(names, values, strict=True)), *own))

    def flush(self, rows: np.ndarray) -> None:
        """Makes steps of the maps of some records."""
        moved = rows[self._moved[rows]]
        if len(moved):
            matrix, size = self._matrix[moved], self.size[moved]
            stays = (np.abs(matrix - np.eye(3)).max(axis=(1, 2)) < _SAME) & (size == self._before[moved]).all(axis=1)
            moves = moved[~stays]
            views = make_views(matrix[~stays], size[~stays])
            self._cut(moves)
            for row, view, own in zip(moves.tolist(), views, matrix[~stays], strict=True):
                self.steps[row].append(Move(view, own))
            self._forget_moves(moved)
        mixed = rows[self._mixed[rows]]
        if len(mixed):
            colour = self._colour[mixed]
            changes = np.abs(colour - np.eye(4)).max(axis=(1, 2)) >= _SAME
            levels = (colour[changes, :3] * _LEVELS).astype(np.float32)
            for row, own in zip(mixed[changes].tolist(), levels, strict=True):
                self.steps[row].append(Mix(own))
            self._colour[mixed], self._mixed[mixed] = np.eye(4), False

    def _cut(self, rows: np.ndarray) -> None:
        """Ends what targets were by what was cut off, where a picture is about to be moved again."""
        for row in rows[self._shown[rows]].tolist():
            self.steps[row].append(Cut())
        self._shown[rows] = True

    def _forget_moves(self, rows: np.ndarray) -> None:
        self._matrix[rows], self._moved[rows] = np.eye(3), False
        self._before[rows] = self.size[rows]
