"""Shards lie at the same places whatever range is asked for, and parts share them out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmill.client.shards import INDEX_LIMIT, Shard, Shards, batch_rows, check_range, default_shard_rows, row_bytes
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import to_column_specs

RANGES = st.tuples(st.integers(0, 10**6), st.integers(1, 10**4))


@settings(deadline=None)
@given(RANGES, st.integers(1, 500), st.integers(1, 40))
def test_parts_are_runs_of_whole_shards_that_together_are_all(given_range, rows, parts):
    start, count = given_range
    shards = Shards(start, start + count, rows)
    whole = list(shards)
    assert [shard.count for shard in whole if not 0 < shard.count <= rows] == []
    assert [whole[0].start, *(shard.stop for shard in whole)] == [*(shard.start for shard in whole), start + count]
    assert all(shard.stop % rows == 0 for shard in whole[:-1])
    shares = [list(shards.part(number, parts)) for number in range(parts)]
    assert [shard for share in shares for shard in share] == whole
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(deadline=None)
@given(RANGES, st.integers(1, 500), st.integers(0, 10**4))
def test_ranges_that_meet_at_a_boundary_have_the_shards_of_both(given_range, rows, cut):
    start, count = given_range
    stop = start + count
    boundary = min(max(start, cut // rows * rows + start // rows * rows), stop)
    both = list(Shards(start, boundary, rows)) + list(Shards(boundary, stop, rows))
    shards = Shards(start, stop, rows)
    assert both == list(shards)
    assert all(shard in shards for shard in both)
    assert Shard(start, start + rows + 1) not in shards


@settings(deadline=None)
@given(RANGES)
def test_name_is_read_back_and_sorts_as_the_samples_do(given_range):
    start, count = given_range
    shard = Shard(start, start + count)
    assert Shard.parse(shard.name) == shard
    assert shard.name < Shard(start + 1, start + count + 1).name
    assert len(Shard(0, INDEX_LIMIT).name) == 31


@pytest.mark.parametrize("name", ["plan", "", "1-2", "-" * 31, "00000000000000a-000000000000001"])
def test_other_names_are_no_shards(name):
    assert Shard.parse(name) is None


@pytest.mark.parametrize(
    ("columns", "size", "rows", "batch"),
    [
        ({"tensor": ("f4", [32])}, 128, 500_000, 20_000),
        ({"image": ("u1", [28, 28, 1]), "label": ("i8", [])}, 792, 50_000, 5_000),
        ({"image": ("u1", [1024, 1024, 3])}, 3 << 20, 20, 1),
        ({"volume": ("f4", [512, 512, 512])}, 1 << 29, 1, 1),
        ({"flag": ("?", [])}, 1, 50_000_000, 2_000_000),
        ({"name": ("O", [])}, 8, 5_000_000, 500_000),
    ],
    ids=["vector", "digit", "photo", "volume", "flag", "text"],
)
def test_shards_and_batches_are_round_numbers_of_about_one_size(columns, size, rows, batch):
    import numpy as np

    specs = to_column_specs({name: (np.dtype(dtype), shape) for name, (dtype, shape) in columns.items()})
    assert (row_bytes(specs), default_shard_rows(specs), batch_rows(specs)) == (size, rows, batch)


@pytest.mark.parametrize(("start", "count"), [(0, 0), (0, -1), (-1, 5), (0, INDEX_LIMIT + 1), (INDEX_LIMIT, 1)])
def test_range_without_samples_or_beyond_the_indices_is_refused(start, count):
    with pytest.raises(InvalidField, match="start_index" if not 0 <= start < INDEX_LIMIT else "count"):
        check_range(start, count)


def test_whole_range_of_indices_is_allowed():
    check_range(0, INDEX_LIMIT)
    check_range(INDEX_LIMIT - 1, 1)
