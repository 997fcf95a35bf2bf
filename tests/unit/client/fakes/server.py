"""Runs the fake services on free ports of loopback, behind the interceptors of the real ones."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from unit.client.fakes.augmentation import FakeAugmentation
from unit.client.fakes.catalog import FakeCatalog
from unit.client.fakes.evaluation import FakeEvaluation
from unit.client.fakes.jobs import FakeJobs
from unit.client.fakes.pipeline import FakePipeline
from unit.client.fakes.sampling import FakeSampling
from unit.client.fakes.status import FakeStatus
from unit.client.fakes.training import FakeTraining

from synthmill.client.addresses import SERVICES
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.drain import Drain
from synthmill.v1.augmentation_service_pb2_grpc import add_AugmentationServiceServicer_to_server
from synthmill.v1.catalog_service_pb2_grpc import add_CatalogServiceServicer_to_server
from synthmill.v1.evaluation_service_pb2_grpc import add_EvaluationServiceServicer_to_server
from synthmill.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from synthmill.v1.pipeline_service_pb2_grpc import add_PipelineServiceServicer_to_server
from synthmill.v1.sampling_service_pb2_grpc import add_SamplingServiceServicer_to_server
from synthmill.v1.status_service_pb2_grpc import add_StatusServiceServicer_to_server
from synthmill.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server


class FakeServices:
    """Catalog, augmentation, training, sampling, evaluation and pipeline, each a server of its own.

    Attributes:
        statuses: how each is doing.
        addresses: "host:port" by service.
    """

    def __init__(self) -> None:
        self.catalog_jobs, self.training_jobs = FakeJobs("catalog"), FakeJobs("training")
        self.augmentation_jobs, self.evaluation_jobs = FakeJobs("augmentation"), FakeJobs("evaluation")
        self.catalog = FakeCatalog(self.catalog_jobs)
        self.augmentation = FakeAugmentation(self.augmentation_jobs, self.catalog)
        self.training = FakeTraining(self.training_jobs)
        self.sampling = FakeSampling()
        self.evaluation = FakeEvaluation(self.evaluation_jobs)
        self.pipeline_jobs = FakeJobs("pipeline")
        self.pipeline = FakePipeline(self.pipeline_jobs)
        self.statuses = {service: FakeStatus(service) for service in SERVICES}
        self.addresses: dict[str, str] = {}

    async def serve(self, on_ready: Callable[[asyncio.Event], None]) -> None:
        """Serves until the event is set that `on_ready` is called with."""
        stop = asyncio.Event()
        servers = [self._server(service) for service in SERVICES]
        for server in servers:
            await server.start()
        on_ready(stop)
        await stop.wait()
        for server in servers:
            await server.stop(None)

    def _server(self, service: str) -> grpc.aio.Server:
        server = grpc.aio.server()
        observed = ObservedServer(server, service, Drain())
        add_StatusServiceServicer_to_server(self.statuses[service], observed)
        if service == "catalog":
            add_CatalogServiceServicer_to_server(self.catalog, observed)
            add_JobServiceServicer_to_server(self.catalog_jobs, observed)
        elif service == "augmentation":
            add_AugmentationServiceServicer_to_server(self.augmentation, observed)
            add_JobServiceServicer_to_server(self.augmentation_jobs, observed)
        elif service == "training":
            add_TrainingServiceServicer_to_server(self.training, observed)
            add_JobServiceServicer_to_server(self.training_jobs, observed)
        elif service == "evaluation":
            add_EvaluationServiceServicer_to_server(self.evaluation, observed)
            add_JobServiceServicer_to_server(self.evaluation_jobs, observed)
        elif service == "pipeline":
            add_PipelineServiceServicer_to_server(self.pipeline, observed)
            add_JobServiceServicer_to_server(self.pipeline_jobs, observed)
        else:
            add_SamplingServiceServicer_to_server(self.sampling, observed)
        self.addresses[service] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        return server


@contextmanager
def running_services() -> Iterator[FakeServices]:
    """Runs the fake services in a thread for the length of a with block."""
    services = FakeServices()
    ready: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    def on_ready(stop: asyncio.Event) -> None:
        ready.put((asyncio.get_running_loop(), stop))

    thread = threading.Thread(target=lambda: asyncio.run(services.serve(on_ready)))
    thread.start()
    loop, stop = ready.get(timeout=30)
    try:
        yield services
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def main() -> None:
    """Runs the fake services as a process that prints their addresses."""
    services = FakeServices()
    asyncio.run(services.serve(lambda _stop: print(json.dumps(services.addresses), flush=True)))


if __name__ == "__main__":
    main()
