"""Puts the parts of the sampling service together."""

from __future__ import annotations

import functools

from synthmill.runtime.channels import connect
from synthmill.runtime.memory import keep_freed_memory
from synthmill.runtime.processes.siblings import Siblings
from synthmill.runtime.service import Assembly, Drain, Mount
from synthmill.runtime.store import open_store
from synthmill.sampling.admission import Admission
from synthmill.sampling.attempts import default_workers, plan_attempts
from synthmill.sampling.catalog import Catalog
from synthmill.sampling.config import SamplingConfig
from synthmill.sampling.loading import engine_opener
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.oip import servicer as oip
from synthmill.sampling.oip.region_folder import RegionFolder
from synthmill.sampling.oip.shared_memory import Regions
from synthmill.sampling.oip.sharing import SHARED as OIP_SHARED
from synthmill.sampling.reporting import reporter
from synthmill.sampling.sampler import Sampler
from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.servicer import SERVICE, SamplingServicer, add_sampling_servicer
from synthmill.sampling.sharing import SHARED, load_as_siblings_have

# Chunks computed ahead of a stream: one for each worker and one that is ready, but no more than a stalled reader may
# hold for good.
_MAX_AHEAD = 6
_MIB = 1 << 20
# In the folder that processes share.
_REGIONS = "regions"


def build(config: SamplingConfig, drain: Drain, siblings: Siblings | None = None) -> Assembly:
    """Puts the parts of the service together; nothing runs yet.

    Args:
        config: the settings.
        drain: says when to end.
        siblings: the processes that serve beside this one; None if there are none.
    """
    keep_freed_memory()
    channel = connect(config.catalog_address, config.credentials)
    catalog = Catalog(channel, config.fresh_s)
    attempts = plan_attempts(config.wanted_providers, threads=config.threads, gpu=config.gpu_settings)
    open_engine = engine_opener(open_store(config), attempts)
    models = ModelRegistry(catalog, open_engine, config.max_models, config.model_memory_mb * _MIB)
    workers = config.workers or default_workers(config.wanted_providers)
    scheduler = Scheduler(workers, config.batch_delay_ms / 1000, together=config.batch_requests)
    admission = Admission(config.max_wait_s, config.answer_memory_mb * _MIB, workers)
    ahead = min(workers + 1, _MAX_AHEAD)
    sampler = Sampler(models, catalog, scheduler, admission, ahead, drain)
    regions = Regions(config.system_shared_memory, RegionFolder(siblings.folder / _REGIONS) if siblings else {})
    inference = oip.InferenceServicer(models, catalog, sampler, drain, regions)
    servicer = SamplingServicer(models, sampler)
    return Assembly(
        mounts=[
            Mount(SERVICE, add_sampling_servicer, servicer, quiet=True, shared=SHARED),
            # Clients bring their own messages for this one; reflection would offer ours under another name.
            Mount(
                oip.SERVICE_NAME,
                oip.add_to_server,
                inference,
                reflected=False,
                quiet=True,
                shared=OIP_SHARED,
                described_as=oip.DESCRIBED_AS,
            ),
        ],
        start=[functools.partial(load_as_siblings_have, siblings, models)] if siblings else [],
        stop=[channel.close, scheduler.stop],
        reports=[reporter(models, admission)],
    )
