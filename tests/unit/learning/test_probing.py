"""A probe learns what there is to learn, and the same from the same records."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.data import digits
from synthmill.kinds.registry import get_kind
from synthmill.learning.probing import Probing, probe_accuracy
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled

PLAN = Probing(get_kind("image").learning(), {"height": 8, "width": 8, "channels": 1}, 10, 400, torch.device("cpu"))


@pytest.fixture(scope="module")
def records() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    images, labels = digits()
    return tuple(
        {"image": images[part, :, :, None], "label": labels[part]} for part in (slice(0, 1400), slice(1400, None))
    )


def test_accuracy_is_that_of_a_classifier_and_depends_on_seed_and_records_alone(records):
    train, test = records
    accuracy = probe_accuracy(PLAN, train, test, 3, never_stop)
    assert 0.8 < accuracy < 1
    torch.rand(7)
    assert probe_accuracy(PLAN, train, test, 3, never_stop) == accuracy
    assert probe_accuracy(PLAN, train, test, 4, never_stop) != accuracy


def test_labels_that_mean_nothing_teach_nothing(records):
    train, test = records
    shuffled = {**train, "label": np.random.default_rng(0).permutation(train["label"])}
    assert probe_accuracy(PLAN, shuffled, test, 3, never_stop) < 0.3


def test_probing_can_be_stopped(records):
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        probe_accuracy(PLAN, *records, 0, stop)
