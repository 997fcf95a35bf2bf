"""Starts the pipeline service: `python -m synthmill.pipeline`."""

from __future__ import annotations

import asyncio
from functools import partial

from synthmill.pipeline.checking import Channels, Checking
from synthmill.pipeline.config import PipelineConfig
from synthmill.pipeline.names import TYPE
from synthmill.pipeline.servicer import PipelineServicer
from synthmill.runtime.channels import connect
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.servicer import JobServicer
from synthmill.runtime.migrations import open_current
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import open_store
from synthmill.v1 import job_service_pb2_grpc, pipeline_service_pb2_grpc

# By name: the worker process imports Optuna and what reads records, the service does without.
HANDLERS = {TYPE: "synthmill.pipeline.looping:run"}


def build(config: PipelineConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    store = open_store(config)
    jobs = JobEngine(config, store, HANDLERS, concurrency=config.concurrent_jobs)
    channels = Channels(
        catalog=connect(config.catalog_address, config.credentials),
        augmentation=connect(config.augmentation_address, config.credentials),
        training=connect(config.training_address, config.credentials),
        evaluation=connect(config.evaluation_address, config.credentials),
    )
    database = open_current(config)
    servicer = PipelineServicer(Checking(channels), jobs, database, store, drain)
    add_pipeline = pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server
    add_jobs = job_service_pb2_grpc.add_JobServiceServicer_to_server
    return Assembly(
        mounts=[
            Mount("synthmill.v1.PipelineService", add_pipeline, servicer),
            Mount("synthmill.v1.JobService", add_jobs, JobServicer(jobs, drain)),
        ],
        start=[jobs.start],
        stop=[
            jobs.stop,
            *(channel.close for channel in vars(channels).values()),
            partial(asyncio.to_thread, database.dispose),
        ],
        reports=[jobs.report],
    )


def main() -> None:
    """Runs the pipeline service until it is asked to stop."""
    run_service(PipelineConfig, build)


if __name__ == "__main__":
    main()
