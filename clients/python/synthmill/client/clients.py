"""The clients: all services under one roof."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from synthmill.client.addresses import resolve_addresses
from synthmill.client.augmentation import AsyncAugmentation, Augmentation
from synthmill.client.blocking import Blocking, blocking
from synthmill.client.catalog import AsyncCatalog, Catalog
from synthmill.client.endpoints import AsyncEndpoint, BlockingEndpoint, Endpoint
from synthmill.client.evaluation import AsyncEvaluation, Evaluation
from synthmill.client.jobs import AsyncJobs, Jobs
from synthmill.client.pipeline import AsyncPipeline, Pipeline
from synthmill.client.sampling import AsyncSampling, Sampling
from synthmill.client.settings import Settings
from synthmill.client.status import TIMEOUT_S, ServiceReport, ask_all
from synthmill.client.training import AsyncTraining, Training
from synthmill.client.writing import SampleWriting
from synthmill.runtime.credentials import Credentials

TENANT_VARIABLE = "SYNTHMILL_TENANT"

JOB_SERVICES = ("catalog", "augmentation", "training", "evaluation", "pipeline")
"""The services that run jobs."""


class _Core(SampleWriting):
    """What both clients are made of."""

    def __init__(self, endpoints: Mapping[str, Endpoint], settings: Settings | None, tenant: str | None) -> None:
        settings = settings or Settings()
        tenant = os.environ.get(TENANT_VARIABLE, "") if tenant is None else tenant
        self.endpoints = endpoints
        self.catalog = AsyncCatalog(endpoints["catalog"], settings)
        self.augmentation = AsyncAugmentation(endpoints["augmentation"], settings)
        self.training = AsyncTraining(endpoints["training"], settings)
        self.sampling = AsyncSampling(endpoints["sampling"], settings, tenant)
        self.evaluation = AsyncEvaluation(endpoints["evaluation"], settings)
        self.pipeline = AsyncPipeline(endpoints["pipeline"], settings)
        self.jobs = AsyncJobs({service: endpoints[service] for service in JOB_SERVICES}, settings)

    async def status(self, timeout_s: float = TIMEOUT_S) -> list[ServiceReport]:
        """Asks all services at once how they are doing; one that does not serve is reported, not raised.

        Args:
            timeout_s: deadline of each, in seconds.
        """
        return await ask_all(self.endpoints, timeout_s)

    async def close(self) -> None:
        """Ends all connections."""
        for endpoint in self.endpoints.values():
            await endpoint.close()


class AsyncClient(_Core):
    """Synthmill for asyncio; belongs to one event loop, and closes its connections at the end of an async with block.

    Args:
        address: "host" or "host:base_port" of a `synthmill up`.
        catalog_address: "host:port" of the catalog.
        augmentation_address: "host:port" of the augmentation service.
        training_address: "host:port" of the training service.
        sampling_address: "host:port" of the sampling service.
        evaluation_address: "host:port" of the evaluation service.
        pipeline_address: "host:port" of the pipeline service.
        settings: deadlines and retries.
        tenant: a name for who asks: requests for samples take turns by tenant, over however many connections they come.
            None means SYNTHMILL_TENANT; empty, that each connection is a tenant of its own. Where services ask for
            tokens, the token's tenant counts.
        credentials: TLS and token. None means what SYNTHMILL_CA, SYNTHMILL_CLIENT_CERTIFICATE, SYNTHMILL_CLIENT_KEY and
            SYNTHMILL_TOKEN_FILE name.

    An address that is not given comes from SYNTHMILL_CATALOG_ADDRESS and its like, then from SYNTHMILL_ADDRESS, which
    is meant as `address` is, and at last it is 127.0.0.1 with the default ports.

    Attributes:
        catalog: datasets, models, policies and evaluations.
        augmentation: new records of given ones.
        training: training jobs.
        sampling: samples.
        evaluation: evaluation jobs.
        pipeline: loops.
        jobs: jobs of all services.

    Raises:
        InvalidField: an address is malformed, or a part of the credentials is missing.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        catalog_address: str | None = None,
        augmentation_address: str | None = None,
        training_address: str | None = None,
        sampling_address: str | None = None,
        evaluation_address: str | None = None,
        pipeline_address: str | None = None,
        settings: Settings | None = None,
        tenant: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        given = {
            "catalog": catalog_address,
            "augmentation": augmentation_address,
            "training": training_address,
            "sampling": sampling_address,
            "evaluation": evaluation_address,
            "pipeline": pipeline_address,
        }
        addresses = resolve_addresses(given, address, os.environ)
        shown = Credentials.from_environment(os.environ) if credentials is None else credentials
        endpoints = {service: AsyncEndpoint(service, target, shown) for service, target in addresses.items()}
        super().__init__(endpoints, settings, tenant)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class Client(Blocking[_Core]):
    """Synthmill for code that blocks; arguments and attributes as in `AsyncClient`.

    May be pickled, and used in threads and in forked processes; it connects when it is first needed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        catalog_address: str | None = None,
        augmentation_address: str | None = None,
        training_address: str | None = None,
        sampling_address: str | None = None,
        evaluation_address: str | None = None,
        pipeline_address: str | None = None,
        settings: Settings | None = None,
        tenant: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        given = {
            "catalog": catalog_address,
            "augmentation": augmentation_address,
            "training": training_address,
            "sampling": sampling_address,
            "evaluation": evaluation_address,
            "pipeline": pipeline_address,
        }
        addresses = resolve_addresses(given, address, os.environ)
        shown = Credentials.from_environment(os.environ) if credentials is None else credentials
        endpoints = {service: BlockingEndpoint(service, target, shown) for service, target in addresses.items()}
        core = _Core(endpoints, settings, tenant)
        super().__init__(core)
        self.catalog = Catalog(core.catalog)
        self.augmentation = Augmentation(core.augmentation)
        self.training = Training(core.training)
        self.sampling = Sampling(core.sampling)
        self.evaluation = Evaluation(core.evaluation)
        self.pipeline = Pipeline(core.pipeline)
        self.jobs = Jobs(core.jobs)

    write_samples = blocking(_Core.write_samples)
    status = blocking(_Core.status)
    close = blocking(_Core.close)

    @property
    def addresses(self) -> dict[str, str]:
        """Address of each service."""
        return {service: endpoint.address for service, endpoint in self._core.endpoints.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
