"""Records become vectors block by block; large ones are averaged over neighbouring places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unit.learning.evaluate import records

from synthmill.learning.evaluate import inputs
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled


def test_blocks_are_all_records_in_order(monkeypatch):
    train = records.parts()[0]
    whole = inputs.all_vectors(records.COMPARISON, train, never_stop)
    assert whole.shape == (700, 64)
    assert whole[5].numpy() == pytest.approx(train["image"][5].ravel() / 127.5 - 1, abs=1e-6)
    monkeypatch.setattr(inputs, "_MOST_RECORDS", 64)
    blocks = list(inputs.vectors(records.COMPARISON, train, never_stop))
    assert [len(block) for block in blocks] == [64] * 10 + [60]
    assert (torch.cat(blocks) == whole).all()


def test_records_on_disk_are_left_as_they_are(tmp_path):
    np.save(tmp_path / "image.npy", records.parts()[0]["image"])
    stored = {"image": np.load(tmp_path / "image.npy", mmap_mode="r")}
    assert len(inputs.all_vectors(records.UNLABELLED, stored, never_stop)) == 700


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3,), 3), ((2, 200), 400), ((1, 16, 16), 256), ((3, 32, 32), 3 * 256), ((1, 28, 28), 196), ((1, 33, 31), 72)],
)
def test_vectors_are_small_and_have_the_same_mean(shape, size):
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    shrunk = inputs.shrink(x)
    assert shrunk.shape == (4, size)
    assert shrunk.mean(dim=1).numpy() == pytest.approx(x.flatten(1).mean(dim=1).numpy(), abs=0.02)


def test_four_places_become_their_mean():
    x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert inputs.shrink(x)[0, 1].item() == pytest.approx(x[0, 0, :2, 2:4].mean().item())


def test_reading_can_be_stopped():
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        inputs.all_vectors(records.COMPARISON, records.parts()[0], stop)
