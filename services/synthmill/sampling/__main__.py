"""Starts the sampling service: `python -m synthmill.sampling`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from synthmill.runtime.channels import connect
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import ObjectStore
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.config import SamplingConfig
from synthmill.sampling.loading import engine_opener
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.providers import session_opener
from synthmill.sampling.sampler import Sampler
from synthmill.sampling.servicer import SamplingServicer
from synthmill.v1 import sampling_service_pb2_grpc

# The one being sent, and the next one.
_LEAST_AHEAD = 2


def build(config: SamplingConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    channel = connect(config.catalog_address)
    catalog = Catalog(channel, config.fresh_s)
    open_engine = engine_opener(ObjectStore(config.store_url), session_opener(config.threads), config.wanted_providers)
    models = ModelRegistry(catalog, open_engine, config.max_models)
    executor = ThreadPoolExecutor(config.worker_count, thread_name_prefix="sampling")
    sampler = Sampler(models, catalog, executor, max(_LEAST_AHEAD, config.worker_count), drain)
    add = sampling_service_pb2_grpc.add_SamplingServiceServicer_to_server
    return Assembly(
        mounts=[Mount("synthmill.v1.SamplingService", add, SamplingServicer(models, sampler))],
        stop=[channel.close],
    )


def main() -> None:
    """Runs the sampling service until it is asked to stop."""
    run_service(SamplingConfig, build)


if __name__ == "__main__":
    main()
