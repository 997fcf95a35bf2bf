"""Starts the training service: `python -m synthmill.training`."""

from __future__ import annotations

from synthmill.runtime.channels import connect
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.servicer import JobServicer
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import open_store
from synthmill.training import compression, filters, request
from synthmill.training.config import TrainingConfig
from synthmill.training.servicer import TrainingServicer
from synthmill.v1 import job_service_pb2_grpc, training_service_pb2_grpc

# By name: the worker process imports torch, the service does without.
HANDLERS = {
    request.TYPE: "synthmill.training.running:run",
    compression.TYPE: "synthmill.training.compressing:run",
    filters.TYPE: "synthmill.training.filtering:run",
}


def build(config: TrainingConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    jobs = JobEngine(config, open_store(config), HANDLERS, concurrency=config.concurrent_jobs)
    catalog = connect(config.catalog_address, config.credentials)
    add_training = training_service_pb2_grpc.add_TrainingServiceServicer_to_server
    add_jobs = job_service_pb2_grpc.add_JobServiceServicer_to_server
    return Assembly(
        mounts=[
            Mount("synthmill.v1.TrainingService", add_training, TrainingServicer(catalog, jobs, config.executor)),
            Mount("synthmill.v1.JobService", add_jobs, JobServicer(jobs, drain)),
        ],
        start=[jobs.start],
        stop=[jobs.stop, catalog.close],
        reports=[jobs.report],
    )


def main() -> None:
    """Runs the training service until it is asked to stop."""
    run_service(TrainingConfig, build)


if __name__ == "__main__":
    main()
