"""Two processes that share the batches learn what one does, but for the order in which sums are rounded."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file
from unit.learning.tasks import MACHINE, points_task, toy_kind_environment

from synthmill.learning.processes import train_in_processes
from synthmill.learning.run import train
from synthmill.runtime.errors import Cancelled, InvalidField

FLOAT32 = dataclasses.replace(MACHINE, precision="float32")
LEARNING_RATE = 1e-3
SCRIPT = """
import atexit, dataclasses, os, pathlib, sys
import torch
from unit.learning.tasks import MACHINE, points_task
from synthmill.learning.run import train
folder = pathlib.Path(sys.argv[1])
# Runs after whatever training has registered.
note = folder / ("still-talks-" + os.environ["RANK"])
atexit.register(lambda: note.write_text(str(torch.distributed.is_initialized())))
machine = dataclasses.replace(MACHINE, precision="float32")
result = train(points_task(folder / "data", learning_rate=1e-3), folder / "shared", machine=machine)
assert result.artifacts["weights.safetensors"].exists()
"""


@pytest.mark.usefixtures("_toy_kind")
def test_two_processes_learn_what_one_learns(tmp_path):
    task = points_task(tmp_path / "data", learning_rate=LEARNING_RATE)
    alone = train(task, tmp_path / "alone", machine=dataclasses.replace(MACHINE, precision="float32"))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*command, str(tmp_path / "script.py"), str(tmp_path)], check=True, env=toy_kind_environment())
    assert [note.read_text() for note in tmp_path.glob("still-talks-*")] == ["False", "False"]
    (shared,) = tmp_path.glob("shared/*/model/weights.safetensors")
    expected, found = load_file(alone.artifacts["weights.safetensors"]), load_file(shared)
    assert set(found) == set(expected)
    # Adam turns even a gradient that is nothing but rounding into a full step, so single weights may differ.
    way = task.parameters["steps"] * LEARNING_RATE
    difference = np.concatenate([np.abs(found[name] - tensor).ravel() for name, tensor in expected.items()])
    assert difference.mean() < 0.01 * way


def curves(result) -> dict[str, list[float]]:
    rows = list(csv.DictReader(io.StringIO(result.artifacts["history.csv"].read_text())))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


@pytest.fixture
def _processes_know_the_toy_kind(_toy_kind, monkeypatch):
    for name, value in toy_kind_environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("family", "given", "losses"),
    [("gan", {}, ["generator", "discriminator"]), ("vae", {"feature_weight": 1.0}, ["elbo", "classifier", "features"])],
)
@pytest.mark.usefixtures("_processes_know_the_toy_kind")
def test_the_loss_curve_is_that_of_one_process_with_the_whole_batch(tmp_path, family, given, losses):
    # Two shares of 8 against one batch of 16; validations, too, and what follows from them.
    task = points_task(tmp_path / "data", family, batch_size=16, steps=30, validation_interval=15, **given)
    alone = train(task, tmp_path / "alone", machine=FLOAT32)
    said, steps = [], []
    shared = train_in_processes(
        task,
        tmp_path / "shared",
        2,
        machine=FLOAT32,
        progress=lambda progress: steps.append(progress.step),
        say=said.append,
    )
    expected, found = curves(alone), curves(shared)
    assert list(found) == list(expected)
    for name in losses:
        # Adam turns even a gradient that is nothing but rounding into a full step.
        assert found[name] == pytest.approx(expected[name], rel=1e-2, abs=2e-3)
    assert found["tstr"] == pytest.approx(expected["tstr"], abs=0.02)
    assert steps == [*range(1, 31), 30]
    assert len(said) == 2
    assert json.loads(shared.artifacts["card.json"].read_text())["training"]["processes"] == 2


@pytest.mark.parametrize(
    ("family", "given", "losses"),
    [
        ("gan", {"discriminator_steps": 2, "r1_weight": 0.1}, ["generator", "discriminator", "r1"]),
        ("gan", {"warm_start": 0.3, "elbo_weight": 0.1}, ["generator", "discriminator", "reconstruction"]),
        ("vae", {"feature_weight": 1.0}, ["elbo", "classifier", "features"]),
    ],
)
@pytest.mark.usefixtures("_toy_kind")
def test_the_loss_curve_of_a_batch_in_parts_is_that_of_the_whole(tmp_path, family, given, losses):
    task = points_task(tmp_path / "data", family, batch_size=16, steps=30, **given)
    parts = dataclasses.replace(task, parameters={**task.parameters, "accumulation": 4})
    expected = curves(train(task, tmp_path / "whole", machine=FLOAT32))
    found = curves(train(parts, tmp_path / "parts", machine=FLOAT32))
    assert list(found) == list(expected)
    for name in losses:
        # What a classifier sees of four records is as strong as usual, but not exactly so.
        assert found[name] == pytest.approx(expected[name], rel=5e-2, abs=5e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("_processes_know_the_toy_kind")
def test_processes_stop_when_asked_and_go_on_from_the_checkpoint(tmp_path):
    task = points_task(tmp_path / "data", batch_size=16, steps=10_000_000)
    machine = dataclasses.replace(FLOAT32, checkpoint_interval_s=0.0)
    for least in (1, 21):
        seen = []

        def check(seen=seen) -> None:
            if len(seen) >= 20:
                raise Cancelled("stopped by the test")

        with pytest.raises(Cancelled, match="stopped by the test"):
            train_in_processes(task, tmp_path / "run", 2, machine=machine, progress=seen.append, check=check)
        assert seen[0].step >= least


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    with pytest.raises(InvalidField, match="a multiple of 3: 3 processes") as refusal:
        train_in_processes(points_task(tmp_path / "data", batch_size=16), tmp_path / "run", 3, machine=FLOAT32)
    assert refusal.value.metadata["field"] == "parameters.batch_size"
