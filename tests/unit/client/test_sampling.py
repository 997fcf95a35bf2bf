"""Samples through the SDK, from streams that break."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest
from unit.client.fakes.faults import BREAK, END_EARLY
from unit.client.fakes.model import DIGEST, MODEL
from unit.client.fakes.sampling import ANSWER_LIMIT, CHUNK_SAMPLES, expected_columns, expected_labels

from synthmill.client import Client, balance, label_counts
from synthmill.client.batches import join
from synthmill.runtime.errors import InvalidField, NotFound, OutOfRange, Unavailable


def expected(seed, index, plan=None):
    index = np.asarray(index, np.int64)
    return expected_columns(seed, index, expected_labels(index, plan))


def assert_same(columns, wanted):
    assert columns.keys() == wanted.keys()
    for name, array in wanted.items():
        assert columns[name].dtype == array.dtype
        np.testing.assert_array_equal(columns[name], array)


def collected(batches):
    batches = list(batches)
    starts = np.cumsum([batches[0].first_index, *(batch.count for batch in batches)])
    assert [batch.first_index for batch in batches] == starts[:-1].tolist()
    return join(batches).columns


def test_sample_returns_columns_and_where_they_come_from(client):
    batch = client.sampling.sample("pets", 5, seed=3, start_index=10)
    assert_same(batch.columns, expected(3, range(10, 15)))
    assert (batch.first_index, batch.count, batch.model) == (10, 5, f"{MODEL}/versions/1")
    assert batch.model_digest == DIGEST


@pytest.mark.parametrize(
    ("given", "variable", "tenant"),
    [(None, None, ""), ("a", None, "a"), (None, "b", "b"), ("a", "b", "a"), ("", "b", "")],
)
def test_requests_say_who_asks(addresses, services, monkeypatch, given, variable, tenant):
    if variable is not None:
        monkeypatch.setenv("SYNTHMILL_TENANT", variable)
    with Client(**addresses, tenant=given) as client:
        client.sampling.sample(MODEL, 2 * ANSWER_LIMIT)
        list(client.sampling.iter_batches(MODEL, 100))
    assert [request.tenant for request in services.sampling.requests] == [tenant] * 4


def test_sample_of_scattered_indices_keeps_their_order(client):
    batch = client.sampling.sample(MODEL, seed=3, indices=[9, 2, 2, 400])
    assert_same(batch.columns, expected(3, [9, 2, 2, 400]))


@pytest.mark.parametrize("where", ["range", "indices"])
def test_sample_that_no_message_holds_comes_in_parts(client, services, where):
    count = 4 * ANSWER_LIMIT + 1
    arguments = {"indices": range(count)} if where == "indices" else {"count": count}
    batch = client.sampling.sample(MODEL, **arguments)
    assert_same(batch.columns, expected(0, range(count)))
    assert len(services.sampling.requests) > 4


@pytest.mark.parametrize("batch_size", [None, 1, 7, CHUNK_SAMPLES, 100, 1000])
def test_batches_have_the_size_asked_for_and_the_same_rows(client, batch_size):
    batches = list(client.sampling.iter_batches(MODEL, 250, batch_size=batch_size, seed=1, start_index=5))
    assert_same(collected(batches), expected(1, range(5, 255)))
    if batch_size is not None:
        assert {batch.count for batch in batches[:-1]} <= {batch_size}
        assert batches[-1].count == 250 % batch_size or batch_size


@pytest.mark.parametrize("trial", range(5))
def test_stream_cut_at_random_points_equals_the_uncut_one(client, services, trial):
    draw = random.Random(trial)
    services.sampling.faults.plan = [(draw.randrange(1, 6), draw.choice([BREAK, END_EARLY])) for _ in range(6)]
    services.sampling.faults.plan.insert(2, (0, BREAK))
    batches = client.sampling.iter_batches(MODEL, 2000, batch_size=draw.choice([None, 33]), seed=trial)
    assert_same(collected(batches), expected(trial, range(2000)))
    assert services.sampling.faults.opened > 4


def test_stream_that_breaks_after_its_last_sample_is_not_opened_again(client, services):
    services.sampling.faults.plan = [(3, BREAK)]
    assert_same(
        collected(client.sampling.iter_batches(MODEL, 3 * CHUNK_SAMPLES)), expected(0, range(3 * CHUNK_SAMPLES))
    )
    assert services.sampling.faults.opened == 1


def test_stream_keeps_the_version_it_began_with(client, services):
    services.sampling.faults.plan = [(1, BREAK)]
    for batch in client.sampling.iter_batches(MODEL, 3 * CHUNK_SAMPLES):
        services.sampling.version = 2
        assert batch.model == f"{MODEL}/versions/1"
    assert services.sampling.requests[-1].model == f"{MODEL}/versions/1"


def test_stream_without_progress_is_given_up(client, services):
    services.sampling.faults.plan = [(2, BREAK)] + [(0, BREAK)] * 10
    received = 0
    with pytest.raises(Unavailable, match="the fake breaks"):
        for batch in client.sampling.iter_batches(MODEL, 1000):
            received += batch.count
    assert received == 2 * CHUNK_SAMPLES
    assert services.sampling.faults.opened == 1 + 3


def test_progress_is_told(client):
    told = []
    list(client.sampling.iter_batches(MODEL, 100, batch_size=40, on_progress=lambda *step: told.append(step)))
    assert told == [(40, 100), (80, 100), (100, 100)]


def test_stream_left_early_is_cancelled(client, services):
    batches = client.sampling.iter_batches(MODEL, 1 << 40)
    next(batches)
    batches.close()
    assert services.sampling.ended.wait(10)


def test_plan_that_looks_at_a_dataset_is_fixed_once(client, services):
    services.sampling.faults.plan = [(0, BREAK)]
    [batch] = client.sampling.iter_batches(MODEL, 4, labels="balance:datasets/pets")
    assert sorted(batch["label"].tolist()) == [1, 1, 1, 2]
    kinds = [request.label_plan.WhichOneof("plan") for request in services.sampling.requests]
    assert kinds == ["balance", "counts", "counts"]


def test_count_labels_of_a_balance(client):
    assert client.sampling.count_labels(MODEL, labels=balance("datasets/pets", 6)) == {"cat": 1, "dog": 4, "fox": 2}


def test_labels_as_text_and_as_message_mean_the_same(client):
    text = client.sampling.sample(MODEL, 5, labels="cat=2,dog=3")
    assert_same(client.sampling.sample(MODEL, 5, labels=label_counts({"cat": 2, "dog": 3})).columns, text.columns)
    assert text["label"].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "field"),
    [
        ({"count": 0}, InvalidField, "count"),
        ({"count": -1}, InvalidField, "count"),
        ({"count": 1 << 62}, InvalidField, "count"),
        ({"count": 1 << 64}, InvalidField, "count"),
        ({"count": 1.5}, InvalidField, "count"),
        ({"count": 1, "seed": -1}, InvalidField, "seed"),
        ({"count": 1, "start_index": -1}, InvalidField, "start_index"),
        ({"count": 1, "labels": "cow"}, InvalidField, "label_plan.label"),
        ({"count": 1, "labels": "cat="}, InvalidField, "labels"),
        ({"count": 5, "labels": "cat=4"}, OutOfRange, "start_index + count"),
        ({"count": 5, "batch_size": 0}, InvalidField, "batch_size"),
    ],
)
def test_bad_requests_name_the_field(client, arguments, error, field):
    with pytest.raises(error) as caught:
        list(client.sampling.iter_batches(MODEL, **arguments))
    assert caught.value.metadata["field"] == field
    assert caught.value.metadata["allowed"]


def test_unknown_model_is_not_found(client):
    with pytest.raises(NotFound, match="models/dragons"):
        client.sampling.sample("dragons")


async def test_async_stream_cut_equals_the_uncut_one(async_client, services):
    services.sampling.faults.plan = [(2, BREAK), (1, END_EARLY), (0, BREAK)]
    batches = [batch async for batch in async_client.sampling.iter_batches(MODEL, 900, batch_size=64)]
    assert_same(collected(batches), expected(0, range(900)))


async def test_async_stream_left_early_is_cancelled(async_client, services):
    async for batch in async_client.sampling.iter_batches(MODEL, 1 << 40):
        assert batch.count
        break
    assert await asyncio.to_thread(services.sampling.ended.wait, 10)


async def test_async_errors_are_typed(async_client):
    with pytest.raises(NotFound):
        await async_client.sampling.sample("dragons")
    with pytest.raises(InvalidField):
        [batch async for batch in async_client.sampling.iter_batches(MODEL, 0)]


async def test_blocking_client_works_where_a_loop_is_running(client, services):
    services.sampling.faults.plan = [(2, BREAK)]
    assert_same(collected(client.sampling.iter_batches(MODEL, 300)), expected(0, range(300)))
    batches = client.sampling.iter_batches(MODEL, 1 << 40)
    next(batches)
    del batches
    assert await asyncio.to_thread(services.sampling.ended.wait, 10)
