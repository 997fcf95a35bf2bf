"""Samples of models, as NumPy columns."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Self

from synthmill.client.batches import Batch, Rebatcher, join
from synthmill.client.blocking import Blocking, blocking, blocking_iterator
from synthmill.client.chunks import Chunk, ChunkStub
from synthmill.client.endpoints import Endpoint
from synthmill.client.filters import Filter, to_filter
from synthmill.client.labels import label_counts, to_label_plan
from synthmill.client.messages import full_name, make
from synthmill.client.services import ServiceClient
from synthmill.client.settings import Settings
from synthmill.runtime.errors import DataLoss, InvalidField, ResourceExhausted
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.label_plan_pb2 import LabelPlan

Labels = str | LabelPlan | None
"""A label plan, or its text as `synthmill.client.labels` has it; None leaves it to the service: the classes in turn."""

Progress = Callable[[int, int], None]
"""Called with (samples received, samples in all)."""


class AsyncSampling(ServiceClient):
    """The sampling service. A model is named "models/{model}", or one of its versions; "models/" may be left out.

    Args:
        endpoint: where it is.
        settings: deadlines and retries.
        tenant: who asks; empty means that each connection is a tenant of its own.
    """

    stub = ChunkStub

    def __init__(self, endpoint: Endpoint, settings: Settings, tenant: str = "") -> None:
        super().__init__(endpoint, settings)
        self._tenant = tenant

    def elsewhere(self) -> Self:
        """Returns the same client for another process; it blocks and may be pickled."""
        return type(self)(self._endpoint.elsewhere(), self._settings, self._tenant)

    async def sample(
        self,
        model: str,
        count: int = 1,
        *,
        seed: int = 0,
        start_index: int = 0,
        indices: Sequence[int] | None = None,
        labels: Labels = None,
        truncation: float | None = None,
        filter: Filter = None,
    ) -> Batch:
        """Returns samples at once; more than one message holds are fetched in parts.

        Args:
            count: samples of the range that begins at `start_index`; ignored if `indices` is given.
            indices: indices of the samples, in any order; `Batch.first_index` is then the first of them.
            truncation: scale of the latent vector; None leaves it to the model.
            filter: which of several candidates each sample is. True is the model's own, `sample_filter` makes others;
                the batch then has "confidence", "attempt" and "passed" too, and "score" if that is bounded.

        Raises:
            InvalidField: a field has a value that is not allowed.
            FailedPrecondition: the model has no opinions to filter by.
            NotFound: there is no such model.
            OutOfRange: the label plan has no such index.
            DataLoss: the model is damaged.
        """
        where = {"start_index": start_index, "count": count} if indices is None else {"indices": list(indices)}
        request = make(
            pb.SampleRequest,
            model=full_name("models", model),
            seed=seed,
            label_plan=to_label_plan(labels),
            truncation=truncation,
            filter=to_filter(filter),
            tenant=self._tenant,
            **where,
        )
        return await self._sample(request)

    async def iter_batches(
        self,
        model: str,
        count: int,
        *,
        batch_size: int | None = None,
        seed: int = 0,
        start_index: int = 0,
        labels: Labels = None,
        truncation: float | None = None,
        filter: Filter = None,
        on_progress: Progress | None = None,
    ) -> AsyncGenerator[Batch, None]:
        """Yields the samples of a range in order; a stream that breaks is taken up where it ended, with nothing twice.

        The version is fixed by the first chunk: a model that is promoted meanwhile changes nothing.

        Args:
            batch_size: samples in each batch but the last; None takes them as they arrive, in about 1 MiB.

        Raises:
            Unavailable: as many tries as `Settings.retry` allows brought nothing new; else as `sample`.
        """
        if batch_size is not None and batch_size < 1:
            raise InvalidField("batch_size", batch_size, "at least 1")
        request = make(
            pb.StreamSamplesRequest,
            model=full_name("models", model),
            seed=seed,
            start_index=start_index,
            count=count,
            label_plan=await self.fixed_plan(model, seed, to_label_plan(labels)),
            truncation=truncation,
            filter=to_filter(filter),
            tenant=self._tenant,
        )
        received = 0
        async with contextlib.aclosing(self._cut(request, batch_size)) as batches:
            async for batch in batches:
                received += batch.count
                if on_progress:
                    on_progress(received, count)
                yield batch

    async def count_labels(
        self, model: str, count: int = 0, *, seed: int = 0, start_index: int = 0, labels: Labels = None
    ) -> dict[str, int]:
        """Returns how many samples of each class a label plan gives for a range; zero means all that the plan has."""
        answer = await self._count_labels(model, count, seed, start_index, to_label_plan(labels))
        return dict(answer.counts)

    async def fixed_plan(self, model: str, seed: int, plan: LabelPlan | None) -> LabelPlan | None:
        """Returns a plan that gives the same labels for ever: one that looks at a dataset becomes exact counts."""
        if plan is None or plan.WhichOneof("plan") != "balance":
            return plan
        return label_counts((await self._count_labels(model, 0, seed, 0, plan)).counts)

    async def list_loaded_models(self) -> list[pb.LoadedModel]:
        """Returns the model versions in memory."""
        return list((await self._unary("ListLoadedModels", pb.ListLoadedModelsRequest())).models)

    async def load_model(self, name: str) -> pb.LoadedModel:
        """Loads a model version; also tells which one a name means."""
        return await self._unary("LoadModel", pb.LoadModelRequest(name=full_name("models", name)))

    async def unload_model(self, name: str) -> None:
        """Removes a model version from memory."""
        await self._unary("UnloadModel", pb.UnloadModelRequest(name=full_name("models", name)))

    async def _count_labels(
        self, model: str, count: int, seed: int, start_index: int, plan: LabelPlan | None
    ) -> pb.CountLabelsResponse:
        name = full_name("models", model)
        request = make(
            pb.CountLabelsRequest, model=name, count=count, seed=seed, start_index=start_index, label_plan=plan
        )
        return await self._unary("CountLabels", request)

    async def _sample(self, request: pb.SampleRequest) -> Batch:
        try:
            chunk = await self._unary("Sample", request)
            return Batch.from_chunk(chunk, chunk.model)
        except ResourceExhausted:
            halves = _halves(request)
            if halves is None:
                raise
        return join([await self._sample(half) for half in halves])

    async def _cut(self, request: pb.StreamSamplesRequest, batch_size: int | None) -> AsyncGenerator[Batch, None]:
        rebatcher = Rebatcher(batch_size) if batch_size else None
        async with contextlib.aclosing(self._chunks(request)) as chunks:
            async for batch in chunks:
                for ready in rebatcher.add(batch) if rebatcher else [batch]:
                    yield ready
        for rest in rebatcher.rest() if rebatcher else []:
            yield rest

    async def _chunks(self, request: pb.StreamSamplesRequest) -> AsyncGenerator[Batch, None]:
        end, digest = request.start_index + request.count, ""

        def next_request() -> pb.StreamSamplesRequest | None:
            return None if digest and not request.count else request

        async with contextlib.aclosing(self._resumed("StreamSamples", next_request)) as chunks:
            async for chunk in chunks:
                _check(chunk, request, digest)
                digest = chunk.model_digest
                request.model = chunk.model or request.model
                request.start_index += chunk.count
                request.count = end - request.start_index
                yield Batch.from_chunk(chunk, request.model)


class Sampling(Blocking[AsyncSampling]):
    """The sampling service; methods as in `AsyncSampling`, without await."""

    sample = blocking(AsyncSampling.sample)
    iter_batches = blocking_iterator(AsyncSampling.iter_batches)
    count_labels = blocking(AsyncSampling.count_labels)
    list_loaded_models = blocking(AsyncSampling.list_loaded_models)
    load_model = blocking(AsyncSampling.load_model)
    unload_model = blocking(AsyncSampling.unload_model)
    fixed_plan = blocking(AsyncSampling.fixed_plan)


def _check(chunk: Chunk, request: pb.StreamSamplesRequest, digest: str) -> None:
    if chunk.first_index != request.start_index or not 0 < chunk.count <= request.count:
        raise DataLoss(
            f"the stream sent samples {chunk.first_index} to {chunk.first_index + chunk.count}, "
            f"where {request.start_index} and at most {request.count} were expected"
        )
    if digest and chunk.model_digest != digest:
        raise DataLoss(f"the stream changed from model {digest} to {chunk.model_digest}")


def _halves(request: pb.SampleRequest) -> tuple[pb.SampleRequest, pb.SampleRequest] | None:
    """Splits a request in two; None if it asks for one sample only."""
    size = len(request.indices) or request.count
    if size < 2:
        return None
    first, second = pb.SampleRequest(), pb.SampleRequest()
    first.CopyFrom(request)
    second.CopyFrom(request)
    if request.indices:
        del first.indices[size // 2 :]
        del second.indices[: size // 2]
    else:
        first.count, second.count = size // 2, size - size // 2
        second.start_index += first.count
    return first, second
