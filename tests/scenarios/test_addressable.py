"""Sample i of (model, seed) has the same bytes, however, wherever and whenever it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from support.studio import client_of
from synthmill.client import Client

COUNT = 3000
SEED = 2**64 - 3


def joined(client: Client, model: str, batch_size: int | None = None, start: int = 0, count: int = COUNT) -> bytes:
    batches = client.sampling.iter_batches(model, count, batch_size=batch_size, seed=SEED, start_index=start)
    return np.concatenate([batch["image"] for batch in batches]).tobytes()


@pytest.fixture(scope="module")
def whole(client, model) -> bytes:
    return joined(client, model)


def rows(whole: bytes, start: int, stop: int) -> bytes:
    size = len(whole) // COUNT
    return whole[start * size : stop * size]


def test_samples_differ_by_index_and_seed(client, model, whole):
    images = np.frombuffer(whole, np.uint8).reshape(COUNT, -1)
    assert len(np.unique(images, axis=0)) > 0.99 * COUNT
    other = client.sampling.sample(model, 100, seed=1)["image"].tobytes()
    assert other != rows(whole, 0, 100)


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_batch_size_makes_no_difference(client, model, whole, batch_size):
    assert joined(client, model, batch_size) == whole


def test_sample_asked_for_alone_is_the_same(client, model, whole):
    for index in (0, 1, 15, 16, 17, 1023, 1024, 2999):
        alone = client.sampling.sample(model, 1, seed=SEED, start_index=index)
        assert alone["image"].tobytes() == rows(whole, index, index + 1)


def test_odd_ranges_and_scattered_indices_are_the_same(client, model, whole):
    for start, count in ((5, 3), (100, 33), (1000, 1025), (13, 999)):
        part = client.sampling.sample(model, count, seed=SEED, start_index=start)
        assert part["image"].tobytes() == rows(whole, start, start + count)
    indices = [2500, 3, 3, 700, 12]
    scattered = client.sampling.sample(model, seed=SEED, indices=indices)["image"]
    for position, index in enumerate(indices):
        # The default plan gives index i the same label in any order.
        assert scattered[position].tobytes() == rows(whole, index, index + 1)


def test_stream_cut_anywhere_and_taken_up_again_is_the_same(client, model, whole):
    cuts = np.random.default_rng(3).integers(1, COUNT, 5)
    for cut in cuts:
        taken = b""
        batches = client.sampling.iter_batches(model, COUNT, batch_size=97, seed=SEED)
        received = 0
        for batch in batches:
            taken += batch["image"].tobytes()
            received += batch.count
            if received >= cut:
                break
        rest = joined(client, model, start=received, count=COUNT - received) if received < COUNT else b""
        assert taken + rest == whole


def test_second_replica_and_restart_make_no_difference(services, client, model, whole):
    services.add("sampling", "replica", ["--threads", "2", "--workers", "1"])
    with client_of(services, sampling="replica") as replica:
        assert joined(replica, model) == whole
    services.services["replica"].stop()
    services.services["replica"].restart()
    with client_of(services, sampling="replica") as replica:
        assert joined(replica, model, 1000) == whole
    services.services.pop("replica").stop()


def test_service_killed_in_the_middle_of_a_stream_is_not_noticed(services, model, whole):
    services.add("sampling", "mortal")
    with client_of(services, sampling="mortal") as client:
        client.sampling.sample(model, 1)
        taken = []
        for batch in client.sampling.iter_batches(model, COUNT, batch_size=100, seed=SEED):
            taken.append(batch["image"].tobytes())
            if len(taken) == 3:
                services.services["mortal"].kill()
                services.services["mortal"].restart()
    services.services.pop("mortal").stop()
    assert b"".join(taken) == whole
