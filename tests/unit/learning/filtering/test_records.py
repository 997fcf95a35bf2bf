"""Records that a probe learns from and those that filters are judged on: no record is in both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthmill.learning.filtering.records import open_records
from synthmill.learning.filtering.task import FilteringTask, resolve
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.runtime.errors import BadData

INFO = GraphInfo(
    GraphMetadata("image", {}, ("a", "b", "c")), {"x": (np.dtype(np.int64), ())}, True, True, latent_size=4
)


def write(folder: Path, labels: np.ndarray) -> dict[str, Path]:
    """Writes records that are told apart by their numbers."""
    folder.mkdir()
    for name, array in (("x", np.arange(len(labels))), ("label", labels)):
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in ("x", "label")}


def task(train: dict[str, Path], validation: dict[str, Path] | None = None, seed: int = 0) -> FilteringTask:
    return FilteringTask(
        version="models/m/versions/1",
        digest="",
        graph=Path("sampler.onnx"),
        card={},
        weights=None,
        dataset="datasets/d/versions/1",
        train=train,
        validation=validation or {},
        parameters=resolve({}),
        seed=seed,
    )


def test_filters_are_judged_on_the_validation_split(tmp_path):
    train, validation = write(tmp_path / "a", np.arange(90) % 3), write(tmp_path / "b", np.arange(30) % 3)
    found = open_records(task(train, validation), INFO)
    assert len(found.learned) == 90
    assert found.judged["x"].tolist() == list(range(30))
    assert found.where.endswith("split validation")


def test_where_there_is_none_a_fifth_of_each_class_is_held_out(tmp_path):
    labels = np.repeat(np.arange(3), [100, 50, 10])
    train = write(tmp_path / "a", labels)
    found = open_records(task(train), INFO)
    assert np.bincount(found.judged["label"]).tolist() == [20, 10, 2]
    assert sorted([*found.learned.tolist(), *found.judged["x"].tolist()]) == list(range(160))
    assert "did not learn from" in found.where
    again, other = open_records(task(train), INFO), open_records(task(train, seed=1), INFO)
    assert again.judged["x"].tolist() == found.judged["x"].tolist() != other.judged["x"].tolist()
    learned = found.supply(5).take(0, 3 * len(found.learned))
    assert set(learned["x"].tolist()) == set(found.learned.tolist())


def test_too_few_records_to_hold_some_out_are_refused(tmp_path):
    with pytest.raises(BadData, match="too few records"):
        open_records(task(write(tmp_path / "a", np.arange(3))), INFO)
