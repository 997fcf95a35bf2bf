"""DataLoaders of torch over virtual datasets, with workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from unit.client import torch_program
from unit.client.fakes.sampling import expected_columns, expected_labels

from synthmill.client import forking


@pytest.fixture(scope="module")
def found():
    """What the program for torch read from services in a process of their own."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    environ.pop(forking.VARIABLE, None)
    server = [sys.executable, "-m", "unit.client.fakes.server"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, env=environ, text=True) as services:
        addresses = services.stdout.readline()
        program = [sys.executable, torch_program.__file__, addresses]
        done = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=120, check=False)
        services.terminate()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "way",
    [
        "map",
        "map, shuffled, 2 forked workers",
        "map, 2 spawned workers",
        "iterable",
        "iterable, 2 forked workers",
    ],
)
def test_every_sample_comes_once_whoever_reads(found, way):
    index = np.arange(torch_program.LENGTH)
    wanted = expected_columns(5, index, expected_labels(index))
    rows = zip(wanted["label"].tolist(), wanted["image"].reshape(len(index), -1).tolist(), strict=True)
    assert found[way] == sorted([label, pixels] for label, pixels in rows)


def test_workers_follow_the_epoch_those_that_persist_too(found):
    assert len(found["epochs"]) == 4
    for way, epochs in found["epochs"].items():
        for epoch, sums in enumerate(epochs):
            index = np.arange(torch_program.LENGTH) + epoch * torch_program.LENGTH
            image = expected_columns(5, index, expected_labels(index))["image"]
            assert sums == sorted(image.reshape(len(index), -1).sum(axis=1, dtype=int).tolist()), (way, epoch)


def test_datasets_need_no_torch_until_a_stream_is_asked_for():
    program = (
        "import sys, synthmill.client, synthmill.cli.main; print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
