"""A run chooses what it exports, ends when it is asked to, and deals with what goes wrong."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from tensorboardX.proto.event_pb2 import Event
from unit.learning.tasks import MACHINE, digits_task, points_task
from unit.learning.test_train import StopAfter, learned

from synthmill.learning.run import train
from synthmill.runtime.errors import BadData, Cancelled, FailedPrecondition

pytestmark = pytest.mark.usefixtures("_toy_kind")

# With a learning rate that no GAN stands, this one collapses soon.
COLLAPSING = {"steps": 200, "validation_interval": 20, "learning_rate": 1.0}


def curve(result, name: str) -> list[tuple[int, float]]:
    """Returns the steps and values of a figure."""
    rows = csv.DictReader(io.StringIO(result.artifacts["history.csv"].read_text()))
    return [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]


def card(result) -> dict:
    return json.loads(result.artifacts["card.json"].read_text())


def test_the_best_checkpoint_is_exported_and_interruptions_change_nothing(tmp_path):
    task = points_task(tmp_path / "data", "gan", steps=60, validation_interval=7, learning_rate=0.2, patience=0)
    said = []
    result = train(task, tmp_path / "whole", machine=MACHINE, say=said.append)
    utilities = dict(curve(result, "tstr"))
    assert list(utilities)[-1] == 60
    assert utilities[result.metrics["best_step"]] == result.metrics["tstr"]
    assert len(said) >= len(utilities)
    for steps in (9, 0, 27, 5):
        with pytest.raises(Cancelled):
            train(task, tmp_path / "broken", machine=MACHINE, check=StopAfter(steps))
    again = train(task, tmp_path / "broken", machine=MACHINE)
    assert learned(again) == learned(result)


def test_exported_weights_are_those_of_the_best_step(tmp_path):
    task = points_task(tmp_path / "data", "gan", **COLLAPSING)
    result = train(task, tmp_path / "run", machine=MACHINE)
    assert result.metrics["best_step"] < curve(result, "tstr")[-1][0]
    kept = sorted(tmp_path.glob("run/*/best/step-*.safetensors"))[-1]
    assert int(kept.stem.removeprefix("step-")) % 10**9 == result.metrics["best_step"]
    expected = {
        name.removeprefix("ema/"): tensor for name, tensor in load_file(kept).items() if name.startswith("ema/")
    }
    found = load_file(result.artifacts["weights.safetensors"])
    assert all(np.array_equal(found[f"generator.{name}"], tensor) for name, tensor in expected.items())


def test_a_collapsed_run_starts_again_once_and_says_so(tmp_path):
    said = []
    task = points_task(tmp_path / "data", "gan", **COLLAPSING)
    result = train(task, tmp_path / "whole", machine=MACHINE, say=said.append)
    (restart,) = [text for text in said if "starting again from step" in text]
    assert "once, with a learning rate of 0.5" in restart
    training = card(result)["training"]
    assert training["changes"] == {"rate_factor": 0.5, "batch_divisor": 1, "restarts": 1}
    assert restart in card(result)["events"]
    assert restart in result.artifacts["card.md"].read_text()
    steps = [step for step, _ in curve(result, "discriminator")]
    assert steps == sorted(set(steps))
    # Also where it is stopped on both sides of the restart.
    for steps in (50, 30, 25):
        with pytest.raises(Cancelled):
            train(task, tmp_path / "broken", machine=MACHINE, check=StopAfter(steps))
    assert learned(train(task, tmp_path / "broken", machine=MACHINE)) == learned(result)


def test_a_target_ends_the_run(tmp_path):
    said = []
    task = dataclasses.replace(points_task(tmp_path / "data", "vae", steps=500, validation_interval=20), target=0.9)
    task = dataclasses.replace(task, parameters={**task.parameters, "learning_rate": 0.01})
    result = train(task, tmp_path / "whole", machine=MACHINE, say=said.append)
    assert result.metrics["tstr"] >= 0.9
    assert result.metrics["best_step"] < 500
    assert card(result)["training"]["ended_by"] == "target"
    assert said[-1] == "tstr has reached 0.9: the run ends here"
    assert learned(train(task, tmp_path / "whole", machine=MACHINE)) == learned(result)


def test_a_time_ends_the_run_and_pauses_do_not_count(tmp_path):
    task = dataclasses.replace(points_task(tmp_path / "data", "gan", steps=100_000_000), budget_s=3)
    seen = []
    # So few that even a machine that stalls for a second or two has not used the time up.
    with pytest.raises(Cancelled):
        train(task, tmp_path / "run", machine=MACHINE, check=StopAfter(5))
    result = train(task, tmp_path / "run", machine=MACHINE, progress=seen.append)
    assert seen[0].step == 6
    assert result.metrics["training_seconds"] == pytest.approx(3, abs=1.5)
    assert card(result)["training"]["ended_by"] == "time"
    # The number of steps is told as soon as it is decided, and is right in the end.
    assert seen[-2].total == pytest.approx(seen[-2].step, rel=0.2)


def test_without_labels_utility_is_fidelity(tmp_path):
    task = digits_task(tmp_path / "data", "vae", labelled=False, steps=20, validation_interval=10)
    result = train(task, tmp_path / "whole", machine=MACHINE)
    assert [step for step, _ in curve(result, "fidelity")] == [10, 20]
    assert result.metrics["fidelity"] < 1


def test_held_out_records_are_what_utility_is_measured_on(tmp_path):
    task = points_task(tmp_path / "data", "vae", steps=20, validation_interval=20, learning_rate=0.05)
    swapped = 1 - np.load(task.columns["label"])
    np.save(tmp_path / "swapped.npy", swapped)
    held_out = {**task.columns, "label": tmp_path / "swapped.npy"}
    plain = train(task, tmp_path / "plain", machine=MACHINE).metrics["tstr"]
    against = train(dataclasses.replace(task, held_out=held_out), tmp_path / "swapped", machine=MACHINE).metrics["tstr"]
    assert against == pytest.approx(1 - plain)


def test_short_runs_are_not_measured(tmp_path):
    said = []
    result = train(points_task(tmp_path / "data"), tmp_path / "run", machine=MACHINE, say=said.append)
    assert "tstr" not in result.metrics
    assert said == []


def test_what_was_resolved_decided_and_found_is_written_down(tmp_path):
    task = dataclasses.replace(points_task(tmp_path / "data", steps=20, validation_interval=10), license="")
    result = train(task, tmp_path / "run", machine=MACHINE)
    written = json.loads(result.artifacts["run.json"].read_text())
    assert written["task"]["seed"] == 5
    assert written["task"]["parameters"]["learning_rate"] == 1e-3
    assert [found["step"] for found in written["validations"]] == [10, 20]
    assert written["plan"] == [{"step": 0, "progress": 0.0, "total": 20, "elapsed_s": 0.0}]
    assert len(written["versions"]["code_sha256"]) == 64
    text = result.artifacts["card.md"].read_text()
    for heading in ("Data", "Measured", "Memorisation", "Limits", "Curves", "Events", "Hyper-parameters", "Versions"):
        assert f"## {heading}\n" in text


def test_tensorboard_has_the_curves_of_the_table(tmp_path):
    result = train(points_task(tmp_path / "data", steps=20, validation_interval=10), tmp_path / "run", machine=MACHINE)
    found = {}
    for event in read_events(result.artifacts["history.tfevents"].read_bytes()):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert set(found) == {"generator", "discriminator", "tstr", "diversity", "copied_share"}
    for name, points in found.items():
        assert [step for step, _ in points] == [step for step, _ in curve(result, name)]
        assert [value for _, value in points] == pytest.approx([value for _, value in curve(result, name)], rel=1e-6)


def read_events(data: bytes) -> list[Event]:
    """Reads TFRecords: length, its checksum, the record, its checksum."""
    events = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return events


def test_the_film_shows_the_run(tmp_path):
    result = train(digits_task(tmp_path / "data", steps=30), tmp_path / "run", machine=MACHINE)
    with Image.open(result.artifacts["samples.gif"]) as film, Image.open(result.artifacts["samples.png"]) as last:
        assert film.n_frames == 24
        assert film.size == last.size


@pytest.mark.parametrize("change", ["black", "identical"])
def test_records_that_are_all_the_same_are_refused(tmp_path, change):
    task = digits_task(tmp_path / "data")
    images = np.load(task.columns["image"])
    np.save(task.columns["image"], np.zeros_like(images) if change == "black" else np.repeat(images[:1], 300, axis=0))
    with pytest.raises(BadData, match="all 300 training records are the same"):
        train(task, tmp_path / "run", machine=MACHINE)


def test_one_record_is_refused_and_one_class_is_not(tmp_path):
    task = dataclasses.replace(points_task(tmp_path / "one"), labels=("left",))
    for count, label in ((1, [0]), (20, [0] * 20)):
        for name, path in task.columns.items():
            values = np.array(label) if name == "label" else np.load(path)[:count] if count > 1 else np.load(path)[:1]
            np.save(tmp_path / f"{name}-{count}.npy", values)
    one, twenty = (
        dataclasses.replace(task, columns={name: tmp_path / f"{name}-{count}.npy" for name in task.columns})
        for count in (1, 20)
    )
    one = dataclasses.replace(one, parameters={**one.parameters, "min_class_records": 0})
    with pytest.raises(FailedPrecondition, match="1 training record"):
        train(one, tmp_path / "run", machine=MACHINE)
    train(twenty, tmp_path / "run", machine=MACHINE)


def test_a_class_of_three_is_refused_unless_it_is_wanted(tmp_path):
    task = points_task(tmp_path / "data")
    label = np.load(task.columns["label"])
    label[np.flatnonzero(label == 1)[3:]] = 0
    np.save(task.columns["label"], label)
    with pytest.raises(FailedPrecondition, match=r"right \(3\)") as refusal:
        train(task, tmp_path / "run", machine=MACHINE)
    assert refusal.value.metadata["field"] == "parameters.min_class_records"
    assert refusal.value.metadata["value"] == "3"
    wanted = dataclasses.replace(task, parameters={**task.parameters, "min_class_records": 3})
    train(wanted, tmp_path / "run", machine=MACHINE)
