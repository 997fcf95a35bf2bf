"""What is trained on real digits is good enough to train on."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from unit.learning.tasks import MACHINE, digits_task

from support.data import digits
from synthmill.learning.run import train

SYNTHETIC = 5000


def accuracy(images: np.ndarray, labels: np.ndarray, test: tuple[np.ndarray, np.ndarray]) -> float:
    probe = LogisticRegression(max_iter=1000).fit(images.reshape(len(images), -1) / 255, labels)
    return probe.score(test[0].reshape(len(test[0]), -1) / 255, test[1])


def draw(graph: bytes) -> tuple[np.ndarray, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    index = np.arange(SYNTHETIC)
    (images,) = session.run(None, {"seed": np.array([7], np.uint64), "index": index, "label": index % 10})
    return images, index % 10


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("family", "least"), [("gan", 0.96), ("vae", 0.93)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_probe_trained_on_samples_does_nearly_as_well_on_real_digits(tmp_path, family, least, seed):
    images, labels = digits()
    real, test, real_labels, test_labels = train_test_split(
        images[..., None], labels, test_size=0.2, stratify=labels, random_state=0
    )
    task = dataclasses.replace(digits_task(tmp_path, family), parameters={}, seed=seed)
    np.save(task.columns["image"], real)
    np.save(task.columns["label"], real_labels)
    graph = train(task, tmp_path / "scratch", machine=MACHINE).artifacts["sampler.onnx"].read_bytes()
    real_accuracy = accuracy(real, real_labels, (test, test_labels))
    assert accuracy(*draw(graph), (test, test_labels)) >= least * real_accuracy
