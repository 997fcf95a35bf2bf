"""A compression makes the files of a model that is good enough, or says by how much it is not."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file
from unit.graph.generators import judging_graph
from unit.learning.compress import graphs
from unit.learning.tasks import MACHINE, digits_task, points_task

from synthmill.learning.compress.run import compress
from synthmill.learning.compress.task import CompressionTask, RealRecords, check_methods, resolve
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.metadata import with_metadata
from synthmill.learning.run import train
from synthmill.runtime.errors import BadData, Cancelled, FailedPrecondition, InvalidField

QUICK = {"fine_tune_steps": 5, "calibration_samples": 64, "probe_steps": 5, "probe_seeds": 2, "judge_samples": 200}
FILES = {"sampler.onnx", "card.json", "card.md", "samples.png"}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> CompressionTask:
    folder = tmp_path_factory.mktemp("original")
    task = digits_task(folder / "records", width=8, steps=40)
    made = train(task, folder / "scratch", machine=MACHINE).artifacts
    return task_of(made, task.columns)


@pytest.fixture
def _toy_kind(monkeypatch):
    from synthmill.kinds import registry

    monkeypatch.setenv(registry.VARIABLE, "kinds.point")
    registry.all_kinds.cache_clear()
    yield
    registry.all_kinds.cache_clear()


def task_of(made, columns) -> CompressionTask:
    graph = made["sampler.onnx"]
    return CompressionTask(
        version="models/digits-test/versions/1",
        digest=hashlib.sha256(graph.read_bytes()).hexdigest(),
        graph=graph,
        card=json.loads(made["card.json"].read_bytes()),
        weights=made["weights.safetensors"],
        methods=("int8",),
        parameters=resolve(QUICK),
        max_loss=100.0,
        real=RealRecords("datasets/digits/versions/1", "test", columns, 300),
        seed=3,
        job="jobs/training-x",
    )


def run(task: CompressionTask, folder, **callbacks):
    return compress(task, folder, machine=MACHINE, **callbacks)


def card_of(result) -> dict:
    return json.loads(result.artifacts["card.json"].read_bytes())


@pytest.mark.parametrize("methods", [("int8",), ("fp16",), ("prune",), ("prune", "int8"), ("prune", "fp16")])
def test_each_method_makes_a_model(original, tmp_path, methods):
    task = dataclasses.replace(original, methods=methods)
    result = run(task, tmp_path)
    assert set(result.artifacts) == FILES | ({"weights.safetensors"} if methods == ("prune",) else set())
    graph = result.artifacts["sampler.onnx"].read_bytes()
    before, after = check_graph(original.graph.read_bytes()), check_graph(graph)
    assert (after.columns, after.metadata.labels) == (before.columns, before.metadata.labels)
    lineage = after.metadata.lineage
    assert lineage == before.metadata.lineage | {
        "compressed_from": task.version,
        "compressed_from_digest": task.digest,
        "compressed_by": list(methods),
        "compression_job": task.job,
    }
    card = card_of(result)
    assert card["lineage"] == lineage
    assert card["parameters"] == task.card["parameters"]
    assert card["compression"]["methods"] == list(methods)
    assert bool(card["compression"]["channels"]) == ("prune" in methods)
    if methods == ("prune",):
        assert after.metadata.smallest_batch == before.metadata.smallest_batch == 1
    assert result.metrics["bytes_after"] == len(graph) != result.metrics["bytes_before"]
    assert {"tstr_before", "tstr_after", "loss_points", "loss_standard_error", "speed_ratio_256"} <= set(result.metrics)
    assert "## Compression" in result.artifacts["card.md"].read_text()


def test_a_pruned_model_can_be_pruned_again_from_its_own_files(original, tmp_path):
    pruned = run(dataclasses.replace(original, methods=("prune",)), tmp_path / "first").artifacts
    stored = load_file(pruned["weights.safetensors"])
    assert {name.split(".")[0] for name in stored} == {"generator"}
    again = dataclasses.replace(task_of(pruned, original.real.columns), methods=("prune",))
    card = card_of(run(again, tmp_path / "second"))
    assert card["compression"]["channels"] == {"level_1": [12, 9], "level_0": [6, 4]}


def test_a_pruned_vae_draws_from_the_prior_of_the_original(tmp_path):
    task = digits_task(tmp_path / "records", "vae", width=8, steps=10)
    made = train(task, tmp_path / "scratch", machine=MACHINE).artifacts
    first = dataclasses.replace(task_of(made, task.columns), methods=("prune",))
    pruned = run(first, tmp_path / "first").artifacts
    before, after = load_file(made["weights.safetensors"]), load_file(pruned["weights.safetensors"])
    assert {name.split(".")[0] for name in after} == {"generator", "prior"}
    for name in after:
        if name.startswith("prior."):
            np.testing.assert_array_equal(after[name], before[name])
    second = dataclasses.replace(task_of(pruned, task.columns), methods=("prune", "int8"))
    assert card_of(run(second, tmp_path / "second"))["compression"]["channels"]["level_1"] == [12, 9]


def test_too_great_a_loss_is_refused_with_its_figures(original, tmp_path):
    said = []
    task = dataclasses.replace(
        original,
        methods=("prune",),
        max_loss=0.0,
        parameters=resolve(QUICK | {"prune_share": 0.9, "fine_tune_steps": 0}),
    )
    blind = dataclasses.replace(task, real=None)
    with pytest.raises(FailedPrecondition, match=r"not published: .* allowed: 0") as refusal:
        run(blind, tmp_path, say=said.append)
    assert float(refusal.value.metadata["loss"]) > float(refusal.value.metadata["max_loss"]) == 0
    assert any("samples with the same address are compared instead" in text for text in said)
    assert any("differ by" in text for text in said)


def test_the_judgement_is_the_same_again_and_is_not_made_twice(original, tmp_path):
    phases: list[str] = []
    first = run(original, tmp_path / "a", progress=lambda progress: phases.append(progress.phase))
    assert "judging the original" in phases
    assert "judging the result" in phases
    second = run(original, tmp_path / "b")
    for name in ("tstr_before", "tstr_after", "loss_points", "bytes_after"):
        assert first.metrics[name] == second.metrics[name]
    assert first.artifacts["sampler.onnx"].read_bytes() == second.artifacts["sampler.onnx"].read_bytes()
    phases.clear()
    again = run(original, tmp_path / "a", progress=lambda progress: phases.append(progress.phase))
    assert again.metrics["tstr_after"] == first.metrics["tstr_after"]
    assert "drawing samples" not in phases


def test_it_can_be_stopped_and_goes_on(original, tmp_path):
    task = dataclasses.replace(original, methods=("prune",))
    steps = iter(range(3))

    def stop() -> None:
        if next(steps, None) is None:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        run(task, tmp_path, check=stop)
    reports = []
    run(task, tmp_path, progress=reports.append)
    assert [report.step for report in reports if report.phase == "fine-tuning"] == [5]


def test_pruning_needs_the_weights_of_this_graph(original, tmp_path):
    prune = dataclasses.replace(original, methods=("prune",))
    with pytest.raises(FailedPrecondition, match="has no weights to prune"):
        run(dataclasses.replace(prune, weights=None), tmp_path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(BadData, match="cannot be read"):
        run(dataclasses.replace(prune, weights=broken), tmp_path)
    other = digits_task(tmp_path / "other", width=8, steps=1)
    stranger = train(other, tmp_path / "scratch", machine=MACHINE).artifacts["weights.safetensors"]
    with pytest.raises(FailedPrecondition, match="not those of the sampler graph"):
        run(dataclasses.replace(prune, weights=stranger), tmp_path)


def test_what_is_compressed_already_is_refused(original, tmp_path):
    made = run(original, tmp_path).artifacts
    again = dataclasses.replace(original, graph=made["sampler.onnx"])
    with pytest.raises(FailedPrecondition, match="reduced precision already"):
        run(again, tmp_path)


@pytest.mark.parametrize("make", [graphs.image_graph, graphs.dense_graph], ids=["image", "imported"])
def test_a_model_without_records_is_compared_with_itself(original, tmp_path, make):
    graph = tmp_path / "sampler.onnx"
    graph.write_bytes(make())
    card = {"model": "x", "lineage": {}}
    task = dataclasses.replace(original, graph=graph, card=card, weights=None, real=None)
    result = run(task, tmp_path)
    assert 0 < result.metrics["difference_points"] < 2
    assert "tstr_before" not in result.metrics
    assert card_of(result)["compression"]["judged_on"] == ""


@pytest.mark.usefixtures("_toy_kind")
def test_nothing_of_it_is_for_images_alone(tmp_path):
    task = points_task(tmp_path / "records")
    made = train(task, tmp_path / "scratch", machine=MACHINE).artifacts
    given = dataclasses.replace(task_of(made, task.columns), real=None)
    judged = dataclasses.replace(given, real=RealRecords("datasets/p/versions/1", "test", task.columns, 200))
    result = run(judged, tmp_path)
    assert 0 <= result.metrics["tstr_after"] <= 100
    assert run(given, tmp_path).metrics["difference_points"] < 5
    operators = {node.op_type for node in onnx.load(result.artifacts["sampler.onnx"]).graph.node}
    assert "QuantizeLinear" in operators
    with pytest.raises(FailedPrecondition, match="cannot be pruned"):
        run(dataclasses.replace(judged, methods=("prune",)), tmp_path)


def test_a_version_with_opinions_is_refused_and_the_one_that_it_filters_is_named(original, tmp_path):
    lineage = {"filtered_from": "models/digits-test/versions/1"}
    graph = with_metadata(judging_graph(), lineage=lineage)
    (tmp_path / "sampler.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(FailedPrecondition, match="has opinions") as refusal:
        run(dataclasses.replace(original, graph=tmp_path / "sampler.onnx"), tmp_path)
    assert refusal.value.metadata["allowed"] == "models/digits-test/versions/1"


@pytest.mark.parametrize("given", [["int4"], ["int8", "int8"], ["fp16", "int8"]])
def test_methods_that_do_not_go_together_are_refused(given):
    with pytest.raises(InvalidField, match="methods"):
        check_methods(given)


def test_methods_have_an_order_and_a_default():
    assert check_methods(["int8", "prune"]) == ("prune", "int8")
    assert check_methods([]) == ("int8",)


@pytest.mark.parametrize("given", [{"prune_share": 1.0}, {"probe_seeds": 0}, {"bits": 4}])
def test_parameters_out_of_range_are_named(given):
    with pytest.raises(InvalidField, match=next(iter(given))):
        resolve(given)


def test_samples_differ_by_their_share_of_the_range(original):
    from synthmill.learning.compress.judge import compare_samples

    graph = original.graph.read_bytes()
    same = compare_samples(graph, graph, check_graph(graph), 0, 1)
    assert (same.measure, same.loss, same.samples) == ("difference", 0.0, 2048)
    assert np.isfinite(same.loss)
