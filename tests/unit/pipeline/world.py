"""A world of fake services on free ports of loopback: what a loop asks for is there at once, of a known worth."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import queue
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from unit.pipeline.jobs import Jobs
from unit.pipeline.makes import DATASET, make_dataset
from unit.pipeline.servicers import SERVICERS
from unit.pipeline.worths import LABELS, Lift, Samples, usual_lift

from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import (
    catalog_service_pb2,
    evaluation_pb2,
    job_pb2,
    job_service_pb2_grpc,
    model_pb2,
)


@dataclasses.dataclass
class Generator:
    """A model version: what it was made with."""

    message: model_pb2.Model
    parameters: dict[str, Any]
    refined: tuple[str, ...] = ()


class World:
    """Catalog, augmentation, training, sampling and evaluation.

    Attributes:
        lift: what samples bring.
        jobs: those of each service.
        streams: requests for samples.
        made: how many jobs were made for each request_id.
        asked: how often each request_id was heard.
        on_request: called with each request that was not heard before, after it was done and before it is answered.
        requests: every request for a job, with its method, in order.
        courses: utility that trainings tell in passing, at each tenth, by family.
        refused: errors that end jobs that refine a model, by what they do: "filter", "int8", ...
        untrainable: whether no training is possible.
        hanging: methods whose jobs do not end by themselves.
        addresses: "host:port" by service.
    """

    def __init__(self, lift: Lift = usual_lift) -> None:
        self.lift = lift
        self.jobs = {name: Jobs(name) for name in ("catalog", "augmentation", "training", "evaluation")}
        self.datasets = {DATASET: make_dataset()}
        self.generators: dict[str, Generator] = {}
        self.evaluations: dict[str, evaluation_pb2.Evaluation] = {}
        self.findings: dict[str, bytes] = {}
        self.published: dict[str, tuple[catalog_service_pb2.PublishDatasetRequest, str]] = {}
        self.promoted: list[str] = []
        self.streams: list[Any] = []
        self.made: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.requests: list[tuple[str, Any]] = []
        self.on_request: Callable[[str], None] = lambda _request_id: None
        self.courses: dict[str, list[float]] = {}
        self.refused: dict[str, job_pb2.JobError] = {}
        self.hanging: set[str] = set()
        self.untrainable = False
        self._begun: dict[str, job_pb2.Job] = {}
        self.addresses: dict[str, str] = {}

    def begin(self, service: str, method: str, request: Any, make: Callable[[], str], **how: Any) -> job_pb2.Job:
        """Makes a job, or returns the one that the request has made before.

        Args:
            make: returns its result.
            how: it goes on, see `Jobs.add`.
        """
        if not request.request_id:
            raise InvalidField("request_id", "", "a UUID: a loop must be able to ask again")
        self.asked[request.request_id] += 1
        if request.request_id not in self._begun:
            self.made[request.request_id] += 1
            self.requests.append((method, request))
            self._begun[request.request_id] = self.jobs[service].add(make(), **how)
            self.on_request(request.request_id)
        return self._begun[request.request_id]

    def asked_for(self, method: str) -> list[Any]:
        """Returns the requests for jobs by one method."""
        return [request for asked, request in self.requests if asked == method]

    def add_model(self, model: str, parameters: dict[str, Any], refined: tuple[str, ...] = ()) -> str:
        """Adds a version of a model."""
        name = f"models/{model}/versions/{len(self.generators) + 1}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        message = model_pb2.Model(name=name, kind="image", labels=LABELS, digest=digest, dataset=DATASET)
        self.generators[name] = Generator(message, parameters, refined)
        return name

    def samples_of(self, subject: str, share: float, filtered: bool) -> Samples | None:
        """Returns what is evaluated; None for real records."""
        is_dataset = subject.startswith("datasets/")
        if is_dataset:
            origin = self.datasets[subject].provenance.origin
            found = re.search(r"models/\S+/versions/\d+", origin)
            if found is None:
                return None
            subject = found[0]
        generator = self.generators[subject]
        assert not filtered or "filter" in generator.refined
        return Samples(generator.parameters, generator.refined, share or 0.5, is_dataset)

    async def serve(self, on_ready: Callable[[asyncio.Event], None]) -> None:
        """Serves until the event is set that `on_ready` is called with."""
        stop = asyncio.Event()
        servers = [self._server(service) for service in SERVICERS]
        for server in servers:
            await server.start()
        on_ready(stop)
        await stop.wait()
        for server in servers:
            await server.stop(None)

    def _server(self, service: str) -> grpc.aio.Server:
        server = grpc.aio.server()
        observed = ObservedServer(server, service, Drain())
        servicer, add = SERVICERS[service]
        add(servicer(self), observed)
        if service in self.jobs:
            job_service_pb2_grpc.add_JobServiceServicer_to_server(self.jobs[service], observed)
        self.addresses[service] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        return server


@contextmanager
def running_world(world: World) -> Iterator[World]:
    """Runs the services in a thread for the length of a with block."""
    ready: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    def on_ready(stop: asyncio.Event) -> None:
        ready.put((asyncio.get_running_loop(), stop))

    thread = threading.Thread(target=lambda: asyncio.run(world.serve(on_ready)))
    thread.start()
    loop, stop = ready.get(timeout=30)
    try:
        yield world
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
