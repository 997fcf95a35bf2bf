"""Starts the evaluation service: `python -m synthmill.evaluation`."""

from __future__ import annotations

from synthmill.evaluation import request
from synthmill.evaluation.config import EvaluationConfig
from synthmill.evaluation.servicer import EvaluationServicer
from synthmill.evaluation.versions import Versions
from synthmill.runtime.channels import connect
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.servicer import JobServicer
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import open_store
from synthmill.v1 import evaluation_service_pb2_grpc, job_service_pb2_grpc

# By name: the worker process imports torch, the service does without.
HANDLERS = {request.TYPE: "synthmill.evaluation.running:run"}


def build(config: EvaluationConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    jobs = JobEngine(config, open_store(config), HANDLERS, concurrency=config.concurrent_jobs)
    catalog = connect(config.catalog_address, config.credentials)
    add_evaluation = evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server
    add_jobs = job_service_pb2_grpc.add_JobServiceServicer_to_server
    return Assembly(
        mounts=[
            Mount("synthmill.v1.EvaluationService", add_evaluation, EvaluationServicer(Versions(catalog), jobs)),
            Mount("synthmill.v1.JobService", add_jobs, JobServicer(jobs, drain)),
        ],
        start=[jobs.start],
        stop=[jobs.stop, catalog.close],
        reports=[jobs.report],
    )


def main() -> None:
    """Runs the evaluation service until it is asked to stop."""
    run_service(EvaluationConfig, build)


if __name__ == "__main__":
    main()
