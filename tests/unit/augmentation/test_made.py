"""Results of a job on their way survive whatever ends the process."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.augmentation.made import Made

COLUMNS = {"image": (np.dtype(np.uint8), (2, 3)), "weight": (np.dtype(np.float32), ())}


def results(start: int, stop: int) -> dict[str, np.ndarray]:
    index = np.arange(start, stop)
    return {"image": np.full((len(index), 2, 3), index[:, None, None], np.uint8), "weight": index.astype(np.float32)}


def test_results_are_read_back(tmp_path):
    with Made(tmp_path / "made", COLUMNS) as made:
        made.append(results(0, 4))
        made.append(results(4, 9))
        made.keep()
    found = Made(tmp_path / "made", COLUMNS).arrays()
    for name, array in results(0, 9).items():
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("lost", [0, 1, 5, 1000])
def test_what_was_not_kept_is_cut_off(tmp_path, lost):
    folder = tmp_path / "made"
    with Made(folder, COLUMNS) as made:
        made.append(results(0, 4))
        made.keep()
        made.append(results(4, 7))
    # One file ends in the middle of a record, as after a death.
    with (folder / "image.raw").open("r+b") as file:
        file.truncate(7 * 6 - min(lost, 3 * 6))
    with Made(folder, COLUMNS) as made:
        assert made.count == 4
        made.append(results(4, 9))
        made.keep()
    found = made.arrays()
    for name, array in results(0, 9).items():
        assert np.array_equal(found[name], array)


def test_first_attempt_that_kept_nothing_is_forgotten(tmp_path):
    with Made(tmp_path, COLUMNS) as made:
        made.append(results(0, 4))
    with Made(tmp_path, COLUMNS) as made:
        assert made.count == 0
        made.append(results(0, 1))
        made.keep()
    assert len(made.arrays()["image"]) == 1
