"""A worker that is killed at every step of a loop: the loop comes to the same end, and nothing was made twice."""

from __future__ import annotations

import signal

from unit.pipeline.attempts import SMALL, Service, told, with_changes
from unit.pipeline.world import World, running_world

from support.engines import events_of, signal_workers
from synthmill.pipeline.__main__ import HANDLERS
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.v1 import job_pb2

TINY = with_changes(SMALL, budget={"trials": 3, "rounds": 1}, augment={"policies": ["light"]})


async def test_loop_whose_worker_is_killed_at_every_request_comes_to_the_same_end(service, world, tmp_path):
    undisturbed = service.run(TINY)
    with running_world(World()) as other:
        disturbed = Service(tmp_path / "disturbed", other, max_attempts=100)
        reached: list[int] = []
        other.on_request = lambda _request: reached.append(signal_workers(signal.SIGKILL))
        engine = JobEngine(disturbed.config, disturbed.store, HANDLERS)
        await engine.start()
        job = disturbed.create(TINY)
        events = await events_of(engine, job, timeout_s=150)
        await engine.stop()
        assert engine.get(job).state == job_pb2.JOB_STATE_SUCCEEDED, events[-1]
        # Each of them has killed the one worker that was asking.
        assert len(reached) >= 8
        assert set(reached) == {1}
        assert engine.get(job).attempts == len(reached) + 1
        assert set(other.made.values()) == {1}
        assert len(other.made) == len(world.made)
        assert other.promoted == world.promoted
        assert told(disturbed.record(job)) == told(undisturbed)
        disturbed.close()
