"""Evaluations from files to findings: good samples pass, bad ones are refused for what is bad about them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.learning.evaluate.records import collapsed, noisy, parts
from unit.learning.evaluate.subjects import MACHINE, SHIFTS, digits_task, make_points, points_task, write

from synthmill.kinds import registry
from synthmill.learning.evaluate.findings import Findings
from synthmill.learning.evaluate.gate import Gate
from synthmill.learning.evaluate.run import EvaluationTask, evaluate
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import BadData, Cancelled, FailedPrecondition, InvalidField

LABELS = ("left", "right", "middle")


@pytest.fixture(scope="module", autouse=True)
def _points() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.VARIABLE, "kinds.point")
        registry.all_kinds.cache_clear()
        yield
    registry.all_kinds.cache_clear()


def ignore(phase: str, done: int, total: int) -> None:
    pass


def found(task: EvaluationTask, folder: Path, check: Callable[[], None] = never_stop) -> Findings:
    return evaluate(task, folder, MACHINE, ignore, check)[0]


def stop_after(calls: int) -> Callable[[], None]:
    left = calls

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cancelled("interrupted by the test")

    return check


def values(findings: Findings) -> dict[str, float]:
    return {figure.name: figure.measured.value for figure in findings.figures}


def failed(findings: Findings) -> dict[str, str]:
    return {each.figure: each.sentence for each in findings.conditions if not each.passed}


@dataclasses.dataclass(frozen=True)
class Done:
    """An evaluation that was not disturbed, and what it told on its way."""

    task: EvaluationTask
    folder: Path
    findings: Findings
    reports: list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Findings:
    """Other real digits in the place of samples."""
    folder = tmp_path_factory.mktemp("good")
    return found(digits_task(folder, parts()[2], policy=SHIFTS, policy_name="shifts"), folder)


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> Done:
    """Other real points in the place of samples."""
    folder, reports = tmp_path_factory.mktemp("points"), []
    task = points_task(folder)
    findings, _ = evaluate(task, folder, MACHINE, lambda *report: reports.append(report), never_stop)
    return Done(task, folder, findings, reports)


def test_real_records_in_the_place_of_samples_are_worth_as_much_and_pass(good):
    measured = values(good)
    assert good.passed, failed(good)
    assert measured["tstr_ratio"] == pytest.approx(1, abs=0.1)
    assert measured["trts"] == pytest.approx(measured["trtr"], abs=0.1)
    [lift] = [figure.measured for figure in good.figures if figure.name == "lift"]
    assert lift.high > 0 or lift.value > -0.02


def test_every_arm_is_there_and_has_learned(good):
    names = ["real", "oversampled", "class_weighted", "smote", "augmented", "synthetic", "real_synthetic", "everything"]
    assert [arm.name for arm in good.arms] == names
    for arm in good.arms:
        assert arm.macro_f1.value > 0.6
        assert len(arm.runs) == 3
        assert list(arm.recall) == list("0123456789")


def test_findings_survive_json_and_say_what_they_depend_on(good):
    stored = json.loads(json.dumps(good.to_json(), allow_nan=False))
    assert Findings.from_json(stored).to_json() == good.to_json()
    assert good.settings["best_arms"]["split"] == "test"
    assert good.settings["policy"]["name"] == "shifts"
    assert good.settings["thresholds"] == Gate().numbers
    assert good.reference.counts == {"train": 700, "test": 600}
    assert sum(good.settings["train_records"].values()) == 700


@pytest.mark.parametrize(
    ("spoil", "reasons"),
    [
        (lambda train, perfect: noisy(train, 2.0), ("near_copy_share", "membership_tpr_1")),
        (lambda train, perfect: _collapse(perfect), ("coverage",)),
    ],
    ids=["memorised", "collapsed"],
)
def test_bad_samples_are_refused_for_what_is_bad_about_them(tmp_path, spoil, reasons):
    train, _, perfect = parts()
    findings = found(digits_task(tmp_path, spoil(train, perfect), probe_steps=100, seeds=1), tmp_path)
    assert not findings.passed
    missed = failed(findings)
    for reason in reasons:
        assert reason in missed
        assert missed[reason] in findings.verdict[-1]


def _collapse(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for label in range(10):
        columns = collapsed(columns, label)
    return columns


def test_an_interrupted_evaluation_goes_on_where_it_was(tmp_path, points):
    # Amid the extractor, amid likeness, amid the probes.
    for calls in (20, 300, 700):
        with pytest.raises(Cancelled):
            found(points.task, tmp_path, stop_after(calls))
    measured = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    assert {"extractor.safetensors", "likeness.json", "memorisation.json", "probe-real-0.json"} <= set(measured)
    assert "probe-real_synthetic-1.json" not in measured
    assert found(points.task, tmp_path) == points.findings
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*/*")}
    assert measured.items() <= after.items()


def test_thresholds_can_be_changed_without_measuring_again(points):
    assert points.findings.passed
    strict = dataclasses.replace(points.task, gate=Gate.given({"coverage": 2.0}))
    assert list(failed(found(strict, points.folder, stop_after(1)))) == ["coverage"]


def test_progress_is_told_to_the_end(points):
    # Points cannot be augmented: six arms are left, of two seeds each.
    assert [done for phase, done, total in points.reports if phase == "training probes"] == list(range(13))
    assert points.reports[-1] == ("training probes", 12, 12)


def test_where_there_are_validation_records_the_best_arms_are_chosen_on_them(points):
    assert points.findings.settings["best_arms"]["split"] == "validation"
    assert points.findings.reference.counts == {"train": 240, "validation": 100, "test": 240}


def test_without_classes_likeness_and_copies_are_measured(tmp_path):
    task = points_task(tmp_path, labels=())
    splits = {
        name: {column: path for column, path in getattr(task, name).items() if column != "label"}
        for name in ("train", "validation", "test", "samples")
    }
    findings, pictures = evaluate(dataclasses.replace(task, **splits), tmp_path, MACHINE, ignore, never_stop)
    assert findings.arms == []
    assert {"coverage", "near_copy_share"} < set(values(findings))
    assert "tstr" not in values(findings)
    assert [each.figure for each in findings.conditions] == ["coverage", "near_copy_share", "membership_tpr_1"]
    assert {name: png[:4] for name, png in pictures.items()} == {each.name: b"\x89PNG" for each in findings.pictures}


def test_classes_that_are_missing_in_test_or_samples_are_told(tmp_path):
    train = make_points(240, 0)
    train["label"][::6] = 2
    samples = make_points(240, 3)
    samples["label"][:] = 0
    task = points_task(tmp_path, samples, labels=LABELS, train=write(tmp_path, "rare", train))
    findings = found(task, tmp_path)
    assert all(set(arm.recall) == {"left", "right"} for arm in findings.arms)
    assert any("Nothing is known about middle" in sentence for sentence in findings.verdict)
    assert any("they fail to teach right" in sentence for sentence in findings.verdict)
    assert not findings.passed


@pytest.mark.parametrize("split", ["train", "validation", "test", "samples"])
def test_a_split_that_cannot_be_used_is_named(tmp_path, split):
    task = points_task(tmp_path)
    broken = {name: path for name, path in getattr(task, split).items() if name != "weight"}
    with pytest.raises(BadData, match=f"{split}: columns") as refused:
        found(dataclasses.replace(task, **{split: broken}), tmp_path)
    assert refused.value.metadata["split"] == split


def test_records_of_one_class_are_refused_and_so_are_too_few(tmp_path):
    one_class = make_points(100, 2)
    one_class["label"][:] = 1
    with pytest.raises(BadData, match="test: records of 'right' alone"):
        found(points_task(tmp_path, test=write(tmp_path, "one", one_class)), tmp_path)
    with pytest.raises(BadData, match="train: 1 record, allowed: at least 2"):
        found(points_task(tmp_path, train=write(tmp_path, "single", make_points(1, 0))), tmp_path)
    with pytest.raises(FailedPrecondition, match="held-out records"):
        found(points_task(tmp_path, test=write(tmp_path, "few", make_points(8, 2))), tmp_path)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"seeds": 0}, "seeds"), ({"probe_steps": 0}, "probe_steps"), ({"kind": "smell"}, "kind")],
)
def test_what_means_nothing_is_refused(tmp_path, given: dict[str, Any], field):
    with pytest.raises(InvalidField, match=f"^{field}: "):
        found(points_task(tmp_path, **given), tmp_path)


def test_arms_alone_are_measured_as_in_a_whole_evaluation(tmp_path, points):
    tried = found(dataclasses.replace(points.task, arms=("oversampled", "real_synthetic")), tmp_path)
    whole = {arm.name: arm for arm in points.findings.arms}
    assert tried.arms == [whole["oversampled"], whole["real_synthetic"]]
    assert (tried.figures, tried.extractor, tried.passed) == ([], None, False)
    assert tried.settings["arms"] == ["oversampled", "real_synthetic"]
    assert "of them on validation records" in " ".join(tried.verdict)
    assert Findings.from_json(json.loads(json.dumps(tried.to_json()))).arms == tried.arms


def test_one_arm_needs_no_other(tmp_path, points):
    [arm] = found(dataclasses.replace(points.task, arms=("synthetic",)), tmp_path).arms
    assert arm.validation_macro_f1 is not None
    assert set(arm.validation_recall) == set(points.task.labels)


def test_a_policy_for_records_that_cannot_be_augmented_is_refused(tmp_path):
    with pytest.raises(FailedPrecondition, match="cannot be augmented"):
        found(points_task(tmp_path, policy=SHIFTS), tmp_path)
