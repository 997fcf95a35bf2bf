"""What a recipe asks for happens in a whole run, in every kind that can do it."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
from safetensors.numpy import load_file
from unit.learning.tasks import MACHINE, TINY, digits_task, points_task

from synthmill.learning.graph.check import check_graph
from synthmill.learning.run import train
from synthmill.learning.task import TrainingTask
from synthmill.runtime.errors import InvalidField

pytestmark = pytest.mark.usefixtures("_toy_kind")


def test_a_gan_begins_as_a_decoder_and_stays_one_beside_the_game(tmp_path):
    task = points_task(tmp_path / "data", warm_start=0.5, elbo_weight=0.1, elbo_interval=3)
    artifacts = train(task, tmp_path / "scratch", machine=MACHINE).artifacts
    header, *rows = artifacts["history.csv"].read_text().splitlines()
    assert header == "step,reconstruction,divergence,discriminator,generator"
    filled = [[value != "" for value in row.split(",")[1:]] for row in rows]
    assert filled[:6] == [[True, True, False, False]] * 6
    assert filled[6:] == [[step % 3 == 0, step % 3 == 0, True, True] for step in range(6, 12)]
    weights = load_file(artifacts["weights.safetensors"])
    assert {name.split(".")[0] for name in weights} == {"generator", "discriminator", "encoder"}


def test_reconstructions_come_nearer_in_what_a_classifier_sees(tmp_path):
    distance = {}
    for weight in (1e-6, 10.0):
        task = digits_task(tmp_path / "data", "vae", steps=40, feature_weight=weight)
        history = train(task, tmp_path / str(weight), machine=MACHINE).artifacts["history.csv"].read_text()
        distance[weight] = float(next(reversed(list(csv.DictReader(history.splitlines()))))["features"])
    assert distance[10.0] < 0.9 * distance[1e-6]


@pytest.mark.parametrize("given", [{"labelled": False}, {"feature_weight": 0.0}], ids=["one-class", "no-weight"])
def test_without_classes_or_weight_there_is_no_classifier(tmp_path, given):
    artifacts = train(digits_task(tmp_path / "data", "vae", **given), tmp_path / "scratch", machine=MACHINE).artifacts
    assert not any(name.startswith("classifier.") for name in load_file(artifacts["weights.safetensors"]))
    assert artifacts["history.csv"].read_text().startswith("step,elbo,reconstruction,divergence\n")


def test_large_colour_images_go_the_whole_way(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"image": rng.integers(0, 256, (24, 64, 64, 3), np.uint8), "label": np.arange(24) % 2}
    for name, array in columns.items():
        np.save(tmp_path / f"{name}.npy", array)
    task = TrainingTask(
        model="models/large",
        kind="image",
        schema={"height": 64, "width": 64, "channels": 3},
        labels=("a", "b"),
        columns={name: tmp_path / f"{name}.npy" for name in columns},
        family="gan",
        parameters=TINY | {"steps": 3, "width": 8, "r1_weight": 0.1},
    )
    result = train(task, tmp_path / "scratch", machine=MACHINE)
    info = check_graph(result.artifacts["sampler.onnx"].read_bytes())
    assert info.metadata.schema == task.schema
    assert result.metrics["export_max_difference"] <= 1


def test_weights_for_other_classes_are_refused(tmp_path):
    task = digits_task(tmp_path / "data", class_weights="1,2,3")
    with pytest.raises(InvalidField, match=r"class_weights: got '1,2,3', allowed: balanced, .* or 10 finite numbers"):
        train(task, tmp_path / "scratch", machine=MACHINE)


def test_class_weights_change_what_is_learned(tmp_path):
    task = digits_task(tmp_path / "data", "vae")
    other = dataclasses.replace(task, parameters={**task.parameters, "class_weights": "1,0,0,0,0,0,0,0,0,0"})
    first, second = (
        load_file(train(each, tmp_path / str(run), machine=MACHINE).artifacts["weights.safetensors"])
        for run, each in enumerate([task, other])
    )
    assert any((first[name] != second[name]).any() for name in first)
