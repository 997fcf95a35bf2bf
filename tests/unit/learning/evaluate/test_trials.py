"""Probes catch what is wrong with labels, and are not trained twice."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from unit.learning.evaluate.records import DIGITS, SCHEMA, parts, shuffled

from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.arms import Ingredients
from synthmill.learning.evaluate.gate import Gate
from synthmill.learning.evaluate.trials import Trials
from synthmill.learning.evaluate.utility import choose, measure_utility
from synthmill.learning.probing import Probing
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled

KIND = get_kind("image")


def ignore(phase: str, done: int, total: int) -> None:
    pass


def brief(trials: Trials) -> Trials:
    return dataclasses.replace(trials, plan=dataclasses.replace(trials.plan, steps=20))


def run(folder: Path, trials: Trials) -> dict[str, dict[str, list]]:
    folder.mkdir()
    outcomes = trials.run(folder, ignore, never_stop)
    return {
        name: {split: matrix.tolist() for split, matrix in outcome.matrices.items()}
        for name, [outcome] in outcomes.items()
    }


@pytest.fixture(scope="module")
def trials() -> Trials:
    train, test, perfect = parts()
    plan = Probing(KIND.learning(), SCHEMA, 10, 100, torch.device("cpu"))
    return Trials(plan, Ingredients(KIND, SCHEMA, 10, train, perfect, None), {"test": test}, seeds=2, seed=4)


def test_shuffled_labels_teach_nothing_and_the_gate_says_by_how_much(trials, tmp_path):
    given = dataclasses.replace(trials.given, samples=shuffled(trials.given.samples))
    outcomes = dataclasses.replace(trials, given=given).run(tmp_path, ignore, never_stop)
    figures = {figure.name: figure for figure in measure_utility(outcomes, choose(outcomes), DIGITS)}
    assert figures["tstr"].measured.value < 0.35
    assert figures["trtr"].measured.value > 0.75
    [ratio, lift] = [
        condition
        for condition in Gate().judge(list(figures.values()), classes=True)
        if condition.figure in ("tstr_ratio", "lift")
    ]
    assert not ratio.passed
    below = f"{ratio.value:.2f} is below 0.80 by {0.8 - ratio.value:.2f}"
    assert ratio.sentence == f"tstr_ratio {below}"
    assert not lift.passed
    assert lift.sentence.startswith("lift -0.")


def test_outcomes_depend_on_the_seed_and_the_records_alone(trials, tmp_path):
    once = dataclasses.replace(brief(trials), seeds=1)
    first, again, other = (
        run(tmp_path / name, each)
        for name, each in (("first", once), ("again", once), ("other", dataclasses.replace(once, seed=5)))
    )
    assert first == again
    assert all(first[name] != other[name] for name in first)
    tested = [matrices["test"] for matrices in first.values()]
    assert all(one != two for one, two in itertools.combinations(tested, 2))


def test_a_probe_that_was_tested_is_not_trained_again(trials, tmp_path):
    left = 70

    def interrupt() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cancelled("interrupted by the test")

    with pytest.raises(Cancelled):
        brief(trials).run(tmp_path, ignore, interrupt)
    done = sorted(path.name for path in tmp_path.glob("*.json"))
    assert done == ["probe-class_weighted-0.json", "probe-oversampled-0.json", "probe-real-0.json"]
    told: list[tuple[int, int]] = []
    brief(trials).run(tmp_path, lambda phase, *numbers: told.append(numbers), never_stop)
    assert told == [(done, 12) for done in range(13)]
