"""Two processes that share the batches learn what one does, but for the order in which sums are rounded."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file
from unit.learning.tasks import MACHINE, points_task, toy_kind_environment

from synthmill.learning.run import train

LEARNING_RATE = 1e-3
SCRIPT = """
import dataclasses, pathlib, sys
from unit.learning.tasks import MACHINE, points_task
from synthmill.learning.run import train
folder = pathlib.Path(sys.argv[1])
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
    (shared,) = tmp_path.glob("shared/*/model/weights.safetensors")
    expected, found = load_file(alone.artifacts["weights.safetensors"]), load_file(shared)
    assert set(found) == set(expected)
    # Adam turns even a gradient that is nothing but rounding into a full step, so single weights may differ.
    way = task.parameters["steps"] * LEARNING_RATE
    difference = np.concatenate([np.abs(found[name] - tensor).ravel() for name, tensor in expected.items()])
    assert difference.mean() < 0.01 * way
