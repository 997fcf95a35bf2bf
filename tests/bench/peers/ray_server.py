"""The generator behind Ray Serve: `python ray_server.py --port PORT`; a SIGTERM ends it and all that it has started."""

from __future__ import annotations

import os
import signal
import sys

import ray
from generator import MODEL, open_generator
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

PROCESSORS = len(os.sched_getaffinity(0))


@serve.deployment(max_ongoing_requests=8, ray_actor_options={"num_cpus": 1})
class Generator:
    """Makes as many samples as asked for."""

    def __init__(self, path: str) -> None:
        self._generate = open_generator(path, PROCESSORS)

    async def __call__(self, request: Request) -> Response:
        samples = self._generate(int(await request.body()))
        return Response(samples.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    # Blocked before Ray starts threads, so that the signal waits for `sigwait` and interrupts none of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    folder = os.path.dirname(os.path.abspath(__file__))
    environment = {"env_vars": {"PYTHONPATH": folder}}
    ray.init(num_cpus=max(4, PROCESSORS), include_dashboard=False, log_to_driver=False, runtime_env=environment)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
    serve.run(Generator.bind(os.environ[MODEL]), route_prefix="/")
    signal.sigwait({signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()
