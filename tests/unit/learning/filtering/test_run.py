"""A version is given opinions and a filter: the same samples, what was measured, and the same again after a stop."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable

import numpy as np
import pytest
from unit.learning.tasks import MACHINE, digits_task, points_task

from support.data import digits
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.filtering.choice import CONFIDENCES
from synthmill.learning.filtering.run import filter_model
from synthmill.learning.filtering.task import FilteringResult, FilteringTask, resolve
from synthmill.learning.graph.check import check_graph
from synthmill.learning.run import train
from synthmill.learning.task import Progress
from synthmill.runtime.errors import Cancelled, FailedPrecondition, InvalidField

QUICK = {"opinion_steps": 60, "probe_steps": 6, "probe_seeds": 2, "judge_samples": 150, "attempts": 3}
VERSION = "models/digits-test/versions/1"


def task_of(made, columns, validation) -> FilteringTask:
    graph = made["sampler.onnx"]
    return FilteringTask(
        version=VERSION,
        digest=hashlib.sha256(graph.read_bytes()).hexdigest(),
        graph=graph,
        card=json.loads(made["card.json"].read_bytes()),
        weights=made["weights.safetensors"],
        dataset="datasets/digits/versions/1",
        train=columns,
        validation=validation,
        parameters=resolve(QUICK),
        seed=3,
        job="jobs/training-x",
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> FilteringTask:
    folder = tmp_path_factory.mktemp("original")
    task = digits_task(folder / "records", width=8, steps=40)
    made = train(task, folder / "scratch", machine=MACHINE).artifacts
    images, labels = digits()
    (folder / "validation").mkdir()
    validation = {name: folder / f"validation/{name}.npy" for name in ("image", "label")}
    np.save(validation["image"], images[300:500, :, :, None])
    np.save(validation["label"], labels[300:500])
    return task_of(made, task.columns, validation)


@dataclasses.dataclass
class Told:
    """A finished run: what it made and what it told."""

    result: FilteringResult
    said: list[str]
    phases: list[str]


def run(task: FilteringTask, folder, check: Callable[[], None] = lambda: None) -> Told:
    said, phases = [], []

    def progress(report: Progress) -> None:
        phases.append(report.phase)

    return Told(
        filter_model(task, folder, machine=MACHINE, progress=progress, check=check, say=said.append), said, phases
    )


@pytest.fixture(scope="module")
def filtered(original, tmp_path_factory) -> Told:
    return run(original, tmp_path_factory.mktemp("filtered"))


def test_samples_are_those_of_the_original_and_the_graph_says_what_it_is(original, filtered):
    graph = filtered.result.artifacts["sampler.onnx"].read_bytes()
    info = check_graph(graph)
    assert info.columns == check_graph(original.graph.read_bytes()).columns
    assert info.metadata.opinions == ("confidence", "score")
    assert info.metadata.smallest_batch == 1
    feeds = make_feeds(10, 77, 1000, 300)
    [before] = open_session(original.graph.read_bytes(), 1).run(["image"], feeds)
    after, confidence, score = open_session(graph, 1).run(["image", "confidence", "score"], feeds)
    assert after.tobytes() == before.tobytes()
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert np.isfinite(score).all()
    lineage = info.metadata.lineage
    assert (lineage["filtered_from"], lineage["filtered_from_digest"]) == (VERSION, original.digest)
    assert (lineage["filtered_by"], lineage["dataset"]) == (original.dataset, "datasets/digits/versions/1")


def test_everything_that_was_measured_is_in_the_card_and_the_metrics(filtered):
    metrics, artifacts = filtered.result.metrics, filtered.result.artifacts
    card = json.loads(artifacts["card.json"].read_bytes())
    section = card["filter"]
    assert [row["min_confidence"] for row in section["trials"]] == ["none", *CONFIDENCES[1:]]
    assert section["judged_on"] == "datasets/digits/versions/1, split validation"
    assert section["from"] == VERSION
    for row in section["trials"]:
        name = row["min_confidence"]
        suffix = "unfiltered" if name == "none" else f"at_confidence_{name:g}"
        assert metrics[f"tstr_{suffix}"] == row["accuracy"]
        assert metrics[f"passed_first_{suffix}"] == row["passed_first"] <= row["passed"]
    shares = [row["passed_first"] for row in section["trials"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    own = check_graph(artifacts["sampler.onnx"].read_bytes()).metadata.filter
    assert own.get("min_confidence", 0.0) == metrics["filter_min_confidence"]
    assert card["metrics"].items() >= metrics.items()
    assert "| Min confidence | Accuracy | Standard error |" in artifacts["card.md"].read_text()
    assert artifacts["samples.png"].read_bytes().startswith(b"\x89PNG")
    assert len([text for text in filtered.said if "pass at once" in text]) == len(CONFIDENCES)


def test_weights_are_kept_so_that_the_version_can_be_pruned(original, filtered):
    assert filtered.result.artifacts["weights.safetensors"].read_bytes() == original.weights.read_bytes()


def test_a_stopped_run_goes_on_where_it_was_to_the_same_end(original, filtered, tmp_path):
    def stop_after(steps: int) -> Callable[[], None]:
        left = iter(range(steps))

        def check() -> None:
            if next(left, None) is None:
                raise Cancelled("stopped by the test")

        return check

    for steps in (30, 70, 25):
        with pytest.raises(Cancelled):
            run(original, tmp_path, stop_after(steps))
    ended = run(original, tmp_path)
    assert ended.result.metrics == filtered.result.metrics
    for name in ("sampler.onnx", "samples.png"):
        assert ended.result.artifacts[name].read_bytes() == filtered.result.artifacts[name].read_bytes()
    # What is done is not done again.
    checks = []
    run(original, tmp_path, lambda: checks.append(1))
    assert len(checks) < QUICK["opinion_steps"]


def test_a_filtered_version_is_not_filtered_again_and_its_source_is_named(original, filtered, tmp_path):
    graph = filtered.result.artifacts["sampler.onnx"]
    again = dataclasses.replace(original, graph=graph, version="models/digits-test/versions/2")
    with pytest.raises(FailedPrecondition) as refusal:
        run(again, tmp_path)
    assert refusal.value.metadata["allowed"] == VERSION


@pytest.mark.usefixtures("_toy_kind")
def test_any_kind_with_classes_can_be_filtered_and_without_weights_it_has_no_score(tmp_path):
    task = points_task(tmp_path / "records", "vae")
    made = train(task, tmp_path / "scratch", machine=MACHINE).artifacts
    given = dataclasses.replace(task_of(made, task.columns, {}), weights=None)
    found = run(given, tmp_path)
    info = check_graph(found.result.artifacts["sampler.onnx"].read_bytes())
    assert info.metadata.opinions == ("confidence",)
    assert set(info.columns) == {"position", "weight"}
    assert "weights.safetensors" not in found.result.artifacts
    assert any("did not learn from" in text for text in found.said)


@pytest.mark.parametrize(("name", "value"), [("attempts", 65), ("probe_seeds", 0), ("thresholds", 1)])
def test_parameters_that_are_not_allowed_are_named(name, value):
    with pytest.raises(InvalidField, match=rf"parameters\.{name}"):
        resolve({name: value})
