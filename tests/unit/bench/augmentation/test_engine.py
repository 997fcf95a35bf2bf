"""The engine in a process of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from synthmill.bench.augmentation.engine import ONE_THREAD, augment_here, why_not_here
from synthmill.bench.augmentation.target import Target
from synthmill.bench.machine import core_count
from synthmill.bench.workers import Worker, call_together
from synthmill.kinds.policy_messages import to_policy

# OpenCV shares out among threads what this does to an image.
POLICY = to_policy({"steps": [{"op": "rotate", "degrees": 10}, {"op": "gaussian_blur", "sigma": 3}]})


@pytest.fixture
def task(tmp_path) -> dict[str, str]:
    images = np.random.default_rng(0).integers(0, 256, (8, 600, 600, 3), np.uint8)
    target = Target("127.0.0.1:1", POLICY, "", {"image": images})
    return dataclasses.asdict(target.to_task(tmp_path))


def threads_after_work(worker: Worker, task: dict[str, str]) -> int:
    """Returns the number of threads of a process in which the engine has worked."""
    given = {"task": task, "warm_s": 0.0, "span": {"seconds": 60.0, "count": 1}}
    call_together([worker], "augment_here", [given], 60)
    return len(list(Path(f"/proc/{worker.pid}/task").iterdir()))


@pytest.mark.skipif(core_count() == 1 or not Path("/proc/self/task").exists(), reason="needs Linux, two processors")
def test_engine_uses_one_thread_and_would_use_more_if_it_were_let(task):
    with Worker(ONE_THREAD) as one, Worker() as free:
        assert threads_after_work(one, task) < threads_after_work(free, task)


def test_count_ends_it(task):
    found = augment_here(task, 0.0, {"seconds": 60.0, "count": 16})
    assert found["batch"] == 7
    assert found["images_per_s"] > 0


def test_policy_that_mixes_needs_a_service():
    assert why_not_here(POLICY) == ""
    assert "no pool" in why_not_here(to_policy({"steps": [{"op": "cutmix", "probability": 0.1}]}))
