"""Copies of training records are found, exact and noisy ones, and real records are not taken for copies."""

from __future__ import annotations

import functools
import io

import numpy as np
import pytest
from PIL import Image
from unit.learning.evaluate.records import COMPARISON, UNLABELLED, noisy, parts

from synthmill.kinds.base import Columns
from synthmill.learning.evaluate.findings import Figure, Group
from synthmill.learning.evaluate.memorisation import measure_memorisation
from synthmill.learning.task import never_stop

NAMES = ["nearest_ratio", "authenticity", "near_copy_share", "membership_auc", "membership_tpr_1"]


@functools.cache
def measure(name: str) -> tuple[dict[str, Figure], list, list]:
    train, held_out, fresh = parts()
    rows = np.arange(len(fresh["label"]))
    samples: Columns = {
        "fresh": fresh,
        "copied": train,
        "noisy": noisy(train),
        "smooth": {**fresh, "image": smooth(fresh)},
        "some": {column: np.concatenate([fresh[column], train[column][: len(rows) // 4]]) for column in fresh},
    }[name]
    figures, distributions, pictures = measure_memorisation(COMPARISON, train, held_out, samples, never_stop)
    return {figure.name: figure for figure in figures}, distributions, pictures


def smooth(columns: Columns) -> np.ndarray:
    """Returns records half way to the mean of their class: near to everything, copies of nothing."""
    means = [columns["image"][columns["label"] == label].mean(axis=0) for label in range(10)]
    return ((columns["image"] + np.stack(means)[columns["label"]]) / 2).round().astype(np.uint8)


def test_new_real_records_are_no_copies():
    figures, _, _ = measure("fresh")
    assert list(figures) == NAMES
    assert all(figure.group is Group.MEMORISATION for figure in figures.values())
    for figure in figures.values():
        assert figure.measured.low <= figure.real.high, figure.name
        assert figure.measured.high >= figure.real.low, figure.name
    assert figures["nearest_ratio"].measured.value == pytest.approx(1, abs=0.1)
    assert figures["near_copy_share"].measured.low < 0.01
    assert figures["membership_auc"].measured.value == pytest.approx(0.5, abs=0.1)
    assert figures["membership_tpr_1"].measured.value < 0.1


@pytest.mark.parametrize("name", ["copied", "noisy"])
def test_a_generator_that_memorises_is_caught(name):
    figures, _, _ = measure(name)
    assert figures["nearest_ratio"].measured.high < 0.3
    assert figures["authenticity"].measured.high < 0.1 < figures["authenticity"].real.low
    assert figures["near_copy_share"].measured.low > 0.9
    assert figures["membership_auc"].measured.low > 0.95 > figures["membership_auc"].real.high
    assert figures["membership_tpr_1"].measured.low > 0.9 > figures["membership_tpr_1"].real.high
    assert min(figures["near_copy_share"].by_class.values()) > 0.9
    assert max(figures["authenticity"].by_class.values()) < 0.1


def test_the_share_of_copies_is_what_was_copied():
    share = measure("some")[0]["near_copy_share"].measured
    assert share.low < 0.2 < share.high


def test_smooth_samples_are_near_to_everything_and_copies_of_nothing():
    figures, _, _ = measure("smooth")
    assert figures["nearest_ratio"].measured.high < 1
    assert figures["near_copy_share"].measured.value < 0.05
    assert figures["membership_auc"].measured.value == pytest.approx(0.5, abs=0.1)


def test_distances_are_distributed_over_common_bins():
    (distribution,) = measure("noisy")[1]
    assert len(distribution.edges) == 41
    assert distribution.edges == sorted(distribution.edges)
    assert set(distribution.shares) == {"samples", "held-out records"}
    for shares in distribution.shares.values():
        assert sum(shares) == pytest.approx(1)
    # What is copied is nearer than any held-out record.
    assert np.argmax(distribution.shares["samples"]) < np.argmax(distribution.shares["held-out records"])


def test_the_most_suspicious_samples_are_shown_with_what_they_are_like():
    ((picture, png),) = measure("some")[2]
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.height > image.width
    assert "Near copies among them: 8." in picture.caption
    assert "Near copies among them: 0." in measure("smooth")[2][0][0].caption


def test_a_rate_needs_records_enough_to_be_measured():
    train, held_out, fresh = parts()
    few = {name: array[:120] for name, array in held_out.items()}
    figures, _, _ = measure_memorisation(COMPARISON, train, few, fresh, never_stop)
    assert [figure.name for figure in figures] == NAMES[:-1]


def test_without_classes_and_with_hardly_any_training_records():
    train, held_out, fresh = ({"image": part["image"]} for part in parts())
    figures, _, pictures = measure_memorisation(UNLABELLED, {"image": train["image"][:2]}, held_out, fresh, never_stop)
    assert [figure.name for figure in figures] == NAMES
    assert all(np.isfinite([figure.measured.low, figure.measured.high]).all() for figure in figures)
    assert not any(figure.by_class for figure in figures)
    assert pictures[0][1].startswith(b"\x89PNG")
