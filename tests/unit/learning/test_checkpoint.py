"""A checkpoint comes back as it was, or the one before it does."""

from __future__ import annotations

import pytest
import torch

from synthmill.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


def checkpoint(step: int) -> Checkpoint:
    tensors = {"w": torch.full((3, 2), step / 3), "n": torch.tensor(step), "half": torch.ones(2, dtype=torch.bfloat16)}
    return Checkpoint(step, tensors, {"history": [0.1 + 0.2, step]})


def assert_same(found: Checkpoint, expected: Checkpoint) -> None:
    assert (found.step, found.state) == (expected.step, expected.state)
    assert set(found.tensors) == set(expected.tensors)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())


def test_there_is_none_at_first(tmp_path):
    assert read_checkpoint(tmp_path / "run") is None


def test_newest_comes_back_bit_for_bit(tmp_path):
    for step in (2, 10):
        write_checkpoint(tmp_path, checkpoint(step))
    assert_same(read_checkpoint(tmp_path), checkpoint(10))


def test_tensors_in_another_memory_order_come_back(tmp_path):
    turned = torch.arange(16.0).reshape(2, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    write_checkpoint(tmp_path, Checkpoint(1, {"w": turned}, {}))
    assert torch.equal(read_checkpoint(tmp_path).tensors["w"], turned)


def test_last_two_are_kept(tmp_path):
    for step in (1, 2, 3, 4):
        write_checkpoint(tmp_path, checkpoint(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000003.json",
        "step-000000003.safetensors",
        "step-000000004.json",
        "step-000000004.safetensors",
    ]


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES = {"flipped": _flip, "cut": _cut, "emptied": lambda path: path.write_bytes(b""), "lost": lambda p: p.unlink()}


@pytest.mark.parametrize("ending", ["safetensors", "json"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, damage, ending):
    for step in (1, 2):
        write_checkpoint(tmp_path, checkpoint(step))
    damage(tmp_path / f"step-000000002.{ending}")
    assert_same(read_checkpoint(tmp_path), checkpoint(1))


def test_a_half_written_one_does_not_count(tmp_path):
    write_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / "step-000000002.safetensors").write_bytes(b"half")
    (tmp_path / "step-000000002.json.partial").write_bytes(b"{")
    assert_same(read_checkpoint(tmp_path), checkpoint(1))
    write_checkpoint(tmp_path, checkpoint(2))
    assert_same(read_checkpoint(tmp_path), checkpoint(2))


def test_a_run_goes_on_after_it_lost_all(tmp_path):
    write_checkpoint(tmp_path, checkpoint(1))
    _flip(tmp_path / "step-000000001.safetensors")
    assert read_checkpoint(tmp_path) is None
