"""What a job hands to the learning side, shows and publishes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit.evaluation.report.plausible import plausible_findings
from unit.evaluation.versions import LABELS, dataset, model

from synthmill.evaluation.convert import to_evaluation
from synthmill.evaluation.grids import draw_grid
from synthmill.evaluation.policies import Classic
from synthmill.evaluation.request import Asked, make_spec
from synthmill.evaluation.running import make_task
from synthmill.kinds.registry import get_kind
from synthmill.runtime.store import Artifact
from synthmill.v1 import evaluation_pb2

SCHEMA = {"height": 8, "width": 8, "channels": 1}
# A policy without steps counts as one here: it is what the policy says that is handed on.
CLASSIC = Classic("light", {"steps": []}, "e" * 64)
ASKED = Asked(
    thresholds={"coverage": 0.25},
    seed=1 << 63,
    arms=["real", "augmented"],
    synthetic_share=0.25,
    filter={"attempts": 3},
)


def stored(**splits: int):
    """Returns a dataset whose files say which they are."""
    found = dataset(**splits)
    for artifact in found.artifacts:
        artifact.sha256 = artifact.name.encode().hex().ljust(64, "0")[:64]
        artifact.uri = f"store://sha256/{artifact.sha256}"
    return found


@pytest.mark.parametrize(
    ("splits", "tested", "validated"),
    [
        ({"test": 9}, "test", ""),
        ({"test": 9, "validation": 4}, "test", "validation"),
        ({"validation": 4}, "validation", ""),
    ],
    ids=["test", "both", "validation"],
)
def test_a_task_names_the_files_of_every_split(splits, tested, validated):
    reference, samples = stored(**splits), {"image": Path("drawn.npy"), "label": Path("labels.npy")}
    spec = make_spec(model(), reference, CLASSIC, ASKED)
    task = make_task(spec, model(), reference, samples, lambda artifact: Path(artifact.name), "jobs/evaluation-1")

    def files(split: str) -> dict[str, Path]:
        return {column: Path(f"{split}.{column}.npy") for column in ("image", "label")} if split else {}

    assert (task.train, task.test, task.validation) == (files("train"), files(tested), files(validated))
    assert (task.samples, task.schema, task.labels) == (samples, SCHEMA, LABELS)
    assert task.subject == ("models/pets/versions/2", "a" * 64)
    assert task.reference == ("datasets/pets/versions/1", "d" * 64)
    assert (task.seeds, task.probe_steps, task.seed) == (3, 2000, 1 << 63)
    assert (task.policy, task.policy_name) == ({"steps": []}, "light")
    assert task.gate.numbers["coverage"] == 0.25
    assert (task.arms, task.synthetic_share) == (("real", "augmented"), 0.25)
    assert task.settings == {"job": "jobs/evaluation-1", "filter": {"attempts": 3}}


@pytest.mark.parametrize("passed", [True, False])
def test_an_evaluation_says_what_was_found(passed):
    findings = plausible_findings(passed=passed)
    report = Artifact("report.html", f"store://sha256/{'1' * 64}", "1" * 64, 9, "text/html")
    message = to_evaluation(findings, [report], "jobs/evaluation-1")
    assert (message.subject, message.subject_digest) == (findings.subject.name, findings.subject.digest)
    assert (message.reference, message.reference_digest) == (findings.reference.name, findings.reference.digest)
    assert (message.passed, message.job, list(message.verdict)) == (passed, "jobs/evaluation-1", list(findings.verdict))
    figures = dict(message.figures)
    assert {name: value for name, value in figures.items() if not name.startswith("arms.")} == {
        figure.name: figure.measured.value for figure in findings.figures
    }
    arm, label = findings.arms[-1], findings.labels[0]
    assert figures[f"arms.{arm.name}.macro_f1"] == arm.macro_f1.value
    assert figures[f"arms.{arm.name}.recall.{label}"] == arm.recall[label].value
    assert [artifact.name for artifact in message.artifacts] == ["report.html"]
    assert len(message.conditions) == len(findings.conditions)
    for told, found in zip(message.conditions, findings.conditions, strict=True):
        assert (told.figure, told.bound, told.value) == (found.figure, found.bound, found.value)
        assert (told.passed, told.sentence) == (found.passed, found.sentence)
        assert evaluation_pb2.Better.Name(told.better) == f"BETTER_{found.better.name}"


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_a_grid_shows_the_first_of_each_class():
    image = np.zeros((200, 8, 8, 1), np.uint8)
    label = np.repeat(np.arange(4), 50)
    kind, names = get_kind("image"), ["a", "b", "c", "d"]
    before = pixels_of(draw_grid(kind, SCHEMA, names, {"image": image, "label": label}))
    shown = image.copy()
    shown[[0, 50, 100, 150]] = 255
    after = pixels_of(draw_grid(kind, SCHEMA, names, {"image": shown, "label": label}))
    hidden = image.copy()
    hidden[[49, 99, 149, 199]] = 255
    assert before.shape == after.shape
    assert (before != after).sum() >= 4 * 64
    np.testing.assert_array_equal(before, pixels_of(draw_grid(kind, SCHEMA, names, {"image": hidden, "label": label})))


@pytest.mark.parametrize("labels", [0, 1, 10, 100], ids="{}-classes".format)
def test_a_grid_can_be_drawn_of_any_number_of_classes(labels):
    names = [str(number) for number in range(labels)]
    columns = {"image": np.zeros((30, 8, 8, 1), np.uint8)}
    if labels:
        columns["label"] = np.arange(30) % labels
    assert pixels_of(draw_grid(get_kind("image"), SCHEMA, names, columns)).size
