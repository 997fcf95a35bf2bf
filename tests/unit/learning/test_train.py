"""A run makes a model's files, tells how it goes, and whatever interrupts it leaves no trace in what it learns."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from safetensors.numpy import load_file
from unit.learning.tasks import MACHINE, digits_task, points_task, toy_kind_environment

from synthmill.learning.graph.check import check_graph
from synthmill.learning.run import train
from synthmill.runtime.errors import BadData, Cancelled, Diverged, InvalidField

pytestmark = pytest.mark.usefixtures("_toy_kind")

TASKS = pytest.mark.parametrize(
    ("make_task", "family"),
    [(digits_task, "gan"), (digits_task, "vae"), (points_task, "gan"), (points_task, "vae")],
    ids=["image-gan", "image-vae", "point-gan", "point-vae"],
)
LEARNED = ("weights.safetensors", "sampler.onnx", "history.csv", "samples.png", "samples.gif")


def learned(result) -> dict[str, bytes]:
    return {name: result.artifacts[name].read_bytes() for name in LEARNED}


class StopAfter:
    """Cancels a run before one of its steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped by the test")


@TASKS
def test_a_run_makes_a_model_and_does_so_again_after_interruptions(tmp_path, make_task, family):
    task = make_task(tmp_path / "data", family)
    result = train(task, tmp_path / "whole", machine=MACHINE)
    info = check_graph(result.artifacts["sampler.onnx"].read_bytes())
    assert (info.metadata.kind, info.metadata.family, info.metadata.labels) == (task.kind, family, task.labels)
    # One more chooses the part of a VAE's prior.
    assert info.latent_size == (5 if family == "vae" else 4)
    assert result.metrics["export_max_difference"] <= 1

    for steps in (5, 0, 3):
        with pytest.raises(Cancelled):
            train(task, tmp_path / "broken", machine=MACHINE, check=StopAfter(steps))
    seen = []
    again = train(task, tmp_path / "broken", machine=MACHINE, progress=seen.append)
    assert seen[0].step == 9
    assert learned(again) == learned(result)


@pytest.mark.parametrize("objective", ["non_saturating", "relativistic"])
def test_penalties_and_several_discriminator_steps_resume_too(tmp_path, objective):
    parameters = {
        "r1_weight": 0.1,
        "r2_weight": 0.1,
        "penalty_interval": 3,
        "discriminator_steps": 2,
        "warm_start": 0.25,
        "elbo_weight": 0.01,
    }
    task = digits_task(tmp_path / "data", objective=objective, diff_augment="translation+cutout", **parameters)
    result = train(task, tmp_path / "whole", machine=MACHINE)
    with pytest.raises(Cancelled):
        train(task, tmp_path / "broken", machine=MACHINE, check=StopAfter(7))
    assert learned(train(task, tmp_path / "broken", machine=MACHINE)) == learned(result)
    assert (
        result.artifacts["history.csv"]
        .read_text()
        .startswith("step,reconstruction,divergence,discriminator,r1,r2,generator\n1,")
    )


def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    task = digits_task(tmp_path / "data", steps=60)
    expected = learned(train(task, tmp_path / "whole", machine=MACHINE))
    script = (
        "import dataclasses, pathlib, sys\n"
        "from unit.learning.tasks import MACHINE, digits_task\n"
        "from synthmill.learning.run import train\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "machine = dataclasses.replace(MACHINE, checkpoint_interval_s=0.0)\n"
        "train(digits_task(folder / 'data', steps=60), folder / 'killed', machine=machine,\n"
        "      progress=lambda progress: print(progress.step, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, env=toy_kind_environment(), text=True
    )
    with process:
        for line in process.stdout:
            if int(line) >= 17:
                process.send_signal(signal.SIGKILL)
                break
    steps = []
    result = train(task, tmp_path / "killed", machine=MACHINE, progress=lambda progress: steps.append(progress.step))
    assert 17 < steps[0] <= 60
    assert learned(result) == expected


def test_another_task_in_the_same_folder_starts_afresh(tmp_path):
    first = digits_task(tmp_path / "data")
    train(first, tmp_path / "scratch", machine=MACHINE)
    steps = []
    other = dataclasses.replace(first, seed=6)
    train(other, tmp_path / "scratch", machine=MACHINE, progress=lambda progress: steps.append(progress.step))
    assert steps[0] == 1


def test_seed_decides_everything(tmp_path):
    task = digits_task(tmp_path / "data")
    first, second, other = (
        load_file(
            train(dataclasses.replace(task, seed=seed), tmp_path / str(run), machine=MACHINE).artifacts[
                "weights.safetensors"
            ]
        )
        for run, seed in enumerate([5, 5, 6])
    )
    assert all((first[name] == second[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_progress_goes_up_to_the_end_and_shows_pictures(tmp_path):
    machine = dataclasses.replace(MACHINE, picture_interval_s=0.0)
    seen = []
    task = digits_task(tmp_path / "data", warm_start=0.25)
    train(task, tmp_path / "scratch", machine=machine, progress=seen.append)
    *training, exporting = seen
    assert [progress.step for progress in training] == list(range(1, 13))
    assert {progress.total for progress in seen} == {12}
    assert {progress.phase for progress in training} == {"training"}
    assert exporting.phase == "exporting"
    assert [set(progress.metrics) for progress in training] == [
        *[{"reconstruction", "divergence"}] * 3,
        *[{"generator", "discriminator"}] * 9,
    ]
    assert all(progress.rate > 0 for progress in training)
    assert training[0].eta_s > 0
    assert training[-1].eta_s == 0
    assert Image.open(io.BytesIO(training[-1].picture)).format == "PNG"


def test_artifacts_agree_with_each_other(tmp_path):
    task = digits_task(tmp_path / "data", "vae")
    result = train(task, tmp_path / "scratch", machine=MACHINE)
    assert set(result.artifacts) == {*LEARNED, "card.json", "card.md", "run.json", "history.tfevents"}
    card = json.loads(result.artifacts["card.json"].read_text())
    assert card["lineage"] == {"dataset": "datasets/digits/versions/1"}
    assert card["seed"] == 5
    assert card["synthetic"] is True
    assert card["parameters"]["width"] == 4
    assert card["parameters"]["beta"] == 0.5
    assert card["metrics"] == result.metrics
    assert card["training"]["records"] == 300
    assert sum(card["training"]["records_by_class"].values()) == 300
    assert "CC-BY-4.0" in result.artifacts["card.md"].read_text()
    history = result.artifacts["history.csv"].read_text().splitlines()
    assert history[0] == "step,elbo,reconstruction,divergence,features,classifier"
    assert len(history) == 13
    weights = load_file(result.artifacts["weights.safetensors"])
    assert {name.split(".")[0] for name in weights} == {"generator", "encoder", "prior", "classifier"}


def test_without_labels_the_model_is_unconditional(tmp_path):
    task = digits_task(tmp_path / "data", labelled=False)
    graph = train(task, tmp_path / "scratch", machine=MACHINE).artifacts["sampler.onnx"].read_bytes()
    assert not check_graph(graph).conditional
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (image,) = session.run(None, {"seed": np.array([1], np.uint64), "index": np.arange(3)})
    assert (image.dtype, image.shape) == (np.uint8, (3, 8, 8, 1))
    assert (image[0] != image[1]).any()


def test_a_loss_that_is_not_finite_stops_the_run_by_name(tmp_path):
    task = points_task(tmp_path / "data", "vae")
    positions = np.load(task.columns["position"])
    positions[:] = 1e25
    np.save(task.columns["position"], positions)
    with pytest.raises(Diverged, match="step 1: loss of elbo is not finite") as stopped:
        train(task, tmp_path / "scratch", machine=MACHINE)
    assert stopped.value.metadata == {"step": "1", "tensor": "loss of elbo"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"family": "diffusion"}, InvalidField, "family: got 'diffusion', allowed: one of gan, vae"),
        ({"kind": "smell"}, InvalidField, "kind"),
        ({"parameters": {"learning_rate": float("nan")}}, InvalidField, r"learning_rate: got nan, allowed: a finite"),
        ({"parameters": {"momentum": 1}}, InvalidField, r"parameters\.momentum"),
        ({"schema": {"height": 8, "width": 9, "channels": 1}}, BadData, "column 'image' holds"),
        ({"labels": ("a", "b")}, BadData, "labels from 0 to 9, allowed: 0 to 1"),
    ],
    ids=["family", "kind", "not-a-number", "unknown-name", "shape", "label"],
)
def test_an_impossible_task_is_refused(tmp_path, change, error, message):
    task = dataclasses.replace(digits_task(tmp_path / "data"), **change)
    with pytest.raises(error, match=message):
        train(task, tmp_path / "scratch", machine=MACHINE)


@pytest.mark.parametrize("change", [{"precision": "float8"}, {"accelerator": "tpu"}, {"accelerator": "cuda"}])
def test_a_machine_that_is_not_there_is_refused(tmp_path, change):
    (field,) = change
    with pytest.raises(InvalidField) as refusal:
        train(digits_task(tmp_path / "data"), tmp_path / "scratch", machine=dataclasses.replace(MACHINE, **change))
    assert refusal.value.metadata["field"] == field
