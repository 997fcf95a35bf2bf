"""Starts the augmentation service: `python -m synthmill.augmentation`."""

from __future__ import annotations

import cv2

from synthmill.augmentation import request
from synthmill.augmentation.augmenting import Augmenting
from synthmill.augmentation.children import Children
from synthmill.augmentation.config import AugmentationConfig
from synthmill.augmentation.lineage import Lineages
from synthmill.augmentation.memory import Memory
from synthmill.augmentation.opening import open_devices
from synthmill.augmentation.policies import Policies
from synthmill.augmentation.pools import Pools
from synthmill.augmentation.servicer import AugmentationServicer, add_augmentation_servicer
from synthmill.augmentation.workers import Workers
from synthmill.runtime.channels import connect
from synthmill.runtime.config import MIB
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.servicer import JobServicer
from synthmill.runtime.memory import keep_freed_memory
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import open_store
from synthmill.v1 import job_service_pb2_grpc

HANDLERS = {request.TYPE: "synthmill.augmentation.running:run"}


def build(config: AugmentationConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    keep_freed_memory()
    # Records are worked at side by side; threads within each would only be in each other's way.
    cv2.setNumThreads(1)
    store = open_store(config)
    catalog = connect(config.catalog_address, config.credentials)
    policies = Policies(catalog, config.fresh_s)
    pools = Pools(catalog, store, config.max_pools, config.fresh_s)
    workers = Workers(config.thread_count, Children(config.child_count))
    memory, devices = Memory(config.memory_mb * MIB), open_devices(config.accelerator)
    size, shared = config.max_message_bytes, config.shared_memory
    augmenting = Augmenting(workers, policies, pools, memory, size, drain, devices, shared)
    jobs = JobEngine(config, store, HANDLERS, concurrency=config.concurrent_jobs)
    servicer = AugmentationServicer(augmenting, policies, Lineages(catalog, store, pools), catalog, jobs)
    add_jobs = job_service_pb2_grpc.add_JobServiceServicer_to_server
    return Assembly(
        mounts=[
            Mount("synthmill.v1.AugmentationService", add_augmentation_servicer, servicer, quiet=True),
            Mount("synthmill.v1.JobService", add_jobs, JobServicer(jobs, drain)),
        ],
        start=[jobs.start],
        stop=[jobs.stop, workers.stop, catalog.close],
        reports=[jobs.report, memory.report],
    )


def main() -> None:
    """Runs the augmentation service until it is asked to stop."""
    run_service(AugmentationConfig, build)


if __name__ == "__main__":
    main()
