"""A student learns its teacher's samples, within its budget, and an interruption changes nothing."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from unit.learning.compress import graphs
from unit.learning.tasks import MACHINE

from synthmill.learning.compress.distil import DistilPlan, distil
from synthmill.learning.compress.prune import prune_weights
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.devices import open_fabric
from synthmill.learning.task import ignore_progress, never_stop
from synthmill.runtime.errors import Cancelled, Diverged

PLAN = DistilPlan(
    latent_size=graphs.LATENT,
    label_count=len(graphs.LABELS),
    seed=4,
    batch_size=16,
    rate=3e-3,
    steps=40,
    seconds=0.0,
    checkpoint_interval_s=0.0,
)
FLOAT32 = dataclasses.replace(MACHINE, precision="float32")


@pytest.fixture(scope="module")
def fabric():
    with torch.random.fork_rng():
        yield open_fabric(FLOAT32)


def make_student() -> torch.nn.Module:
    learning = graphs.KIND.learning()
    weights, _ = prune_weights(learning, graphs.image_generator().state_dict(), 0.5)
    given = hyper_parameters("image", "gan", {"latent_size": graphs.LATENT}).resolve(graphs.SCHEMA)
    return learning.restore_generator(graphs.SCHEMA, len(graphs.LABELS), given, weights)


def run(folder, fabric, plan=PLAN, progress=ignore_progress, check=never_stop):
    student = make_student()
    figures = distil(student, graphs.image_generator(), plan, folder, fabric, progress=progress, check=check)
    return student.state_dict(), figures


def test_the_student_comes_nearer(tmp_path, fabric):
    reports = []
    _, figures = run(tmp_path, fabric, progress=reports.append)
    assert figures["fine_tune_steps"] == 40
    assert [report.step for report in reports] == [20, 40]
    _, first = run(tmp_path / "first", fabric, dataclasses.replace(PLAN, steps=1))
    assert figures["fine_tune_loss"] < 0.7 * first["fine_tune_loss"]


def test_an_interruption_changes_nothing(tmp_path, fabric):
    expected, _ = run(tmp_path / "whole", fabric)
    left = iter(range(15))

    def stop() -> None:
        if next(left, None) is None:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        run(tmp_path / "parts", fabric, check=stop)
    found, figures = run(tmp_path / "parts", fabric)
    assert figures["fine_tune_steps"] == 40
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_time_ends_it_before_the_steps_do(tmp_path, fabric):
    _, figures = run(tmp_path, fabric, dataclasses.replace(PLAN, steps=10**9, seconds=0.3))
    assert 0 < figures["fine_tune_steps"] < 10**6
    assert figures["fine_tune_seconds"] >= 0.3


def test_no_steps_leave_the_student_as_it_was(tmp_path, fabric):
    found, figures = run(tmp_path, fabric, dataclasses.replace(PLAN, steps=0))
    assert figures["fine_tune_steps"] == 0
    assert all(torch.equal(found[name], tensor) for name, tensor in make_student().state_dict().items())


def test_numbers_that_leave_the_finite_ones_stop_it(tmp_path, fabric):
    with pytest.raises(Diverged):
        run(tmp_path, fabric, dataclasses.replace(PLAN, rate=1e30, steps=10))
