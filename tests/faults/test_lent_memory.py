"""Streams over lent memory while the service, or a process of it, is killed: every record once, the same bytes."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from support.cluster import children_of
from support.studio import client_of, running_services
from synthmill.kinds.registry import get_kind

COUNT = 3000
POLICY = {"steps": [{"op": "rotate", "degrees": [-15, 15]}, {"op": "gaussian_noise"}]}
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 96, 96, 3), np.uint8)
WITHIN_S = 30


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_services(tmp_path_factory.mktemp("lent"), "catalog", "augmentation") as cluster:
        yield cluster


def workers_of(service) -> list[int]:
    """Returns the processes that a service has for records in lent memory, once there are any.

    One that was killed is replaced when there is something to do for it.
    """
    deadline = time.monotonic() + WITHIN_S
    while not (found := [each for each in children_of(service.pid) if is_worker(each)]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def is_worker(process_id: int) -> bool:
    try:
        return b"synthmill.augmentation.child" in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("victim", ["service", "processes"])
def test_killed_at_any_time_the_stream_is_the_same(cluster, victim):
    side = get_kind("image").augmentation()
    examples = [side.to_example({"image": IMAGES[number % 50]}) for number in range(COUNT)]
    wanted = side.open(side.policy(POLICY)).augment(examples, range(COUNT), 7)
    service = cluster.services["augmentation"]
    with client_of(cluster) as client:
        records = ({"image": image} for image in itertools.islice(itertools.cycle(IMAGES), COUNT))
        seen = 0
        for result in client.augmentation.iter_augmented(records, POLICY, seed=7):
            assert result.index == seen
            assert np.array_equal(result["image"], wanted[seen].image)
            seen += 1
            if seen % 1000 == 500:
                workers = workers_of(service)
                for each in workers if victim == "processes" else [service.pid]:
                    os.kill(each, signal.SIGKILL)
                if victim == "service":
                    service.kill()
                    wait_for_the_end_of(workers)
                    service.start()
        assert seen == COUNT


def wait_for_the_end_of(processes: list[int]) -> None:
    """Processes end with their service, however that has ended."""
    deadline = time.monotonic() + WITHIN_S
    while any(map(is_worker, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_end_with_their_service_in_good_order(cluster):
    service = cluster.services["augmentation"]
    service.stop()
    service.start()
    with client_of(cluster) as client:
        records = ({"image": image} for image in itertools.islice(itertools.cycle(IMAGES), 200))
        assert len(list(client.augmentation.iter_augmented(records, POLICY))) == 200
    workers = workers_of(service)
    assert service.stop() == 0
    assert not any(map(is_worker, workers))
    service.start()
