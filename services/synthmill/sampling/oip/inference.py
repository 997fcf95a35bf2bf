"""Answers requests for samples through the service's sampler."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.runtime.errors import ResourceExhausted, SynthmillError
from synthmill.sampling.models import ModelRegistry
from synthmill.sampling.oip.names import to_resource
from synthmill.sampling.oip.requests import Asked, read_request
from synthmill.sampling.oip.responses import Packed, Packer, Part
from synthmill.sampling.oip.shared_memory import Regions
from synthmill.sampling.oip.specs import ModelSpec, to_spec
from synthmill.sampling.oip.statistics import Request, Statistics
from synthmill.sampling.plans import Given
from synthmill.sampling.queries import IndexQuery, StreamQuery
from synthmill.sampling.sampler import MAX_ANSWER_BYTES, Chunk, Sampler
from synthmill.v1 import model_pb2

Replies = Sequence[bytes] | AsyncIterator[bytes]
"""Serialised responses to a request: already there, or made as they are taken."""

T = TypeVar("T")

_MAX_SPECS = 1024
# Several requests of a stream are begun before their turn; what waits must not add up.
_SMALL_RESPONSE_BYTES = 512 << 10


class Inference:
    """Answers requests for samples.

    Args:
        models: the models.
        sampler: makes the samples.
        regions: the shared memory that is registered.
        statistics: counts the requests.
    """

    def __init__(self, models: ModelRegistry, sampler: Sampler, regions: Regions, statistics: Statistics) -> None:
        self._models = models
        self._sampler = sampler
        self._regions = regions
        self._statistics = statistics
        self._specs: dict[str, ModelSpec] = {}

    async def infer(self, request: pb.ModelInferRequest, tenant: str) -> bytes:
        """Returns the one response to a request.

        Args:
            request: the request.
            tenant: who asks.

        Raises:
            InvalidField: something in the request is not allowed.
            NotFound: there is no such model or region.
            OutOfRange: the label plan ends before.
            ResourceExhausted: the samples do not fit one response.
            FailedPrecondition: the request uses shared memory, and that is off.
            DataLoss, Unavailable: as `ModelRegistry.load`.
        """
        asked = await self._read(request)
        return await self._single(Packer(asked, streamed=False), tenant)

    async def begin(self, request: pb.ModelInferRequest, tenant: str) -> Replies:
        """Returns the responses of a stream to a request; raises as `infer`.

        A small response has been computed by then; anything larger is computed as it is taken.
        """
        asked = await self._read(request)
        packer = Packer(asked, streamed=True)
        if not asked.fits_one_response and not any(output.placement for output in asked.outputs):
            return self._several(packer, tenant)
        response = self._one(packer, tenant)
        if asked.query.count * asked.row_bytes > _SMALL_RESPONSE_BYTES:
            return response
        return [message async for message in response]

    async def _read(self, request: pb.ModelInferRequest) -> Asked:
        arrived_ns = time.perf_counter_ns()
        loaded = await self._models.load(to_resource(request.model_name, request.model_version))
        spec = self._spec(loaded.model)
        try:
            return read_request(request, spec, self._regions, arrived_ns)
        except SynthmillError:
            self._statistics.fail(spec.name, arrived_ns)
            raise

    def _spec(self, model: model_pb2.Model) -> ModelSpec:
        spec = self._specs.get(model.name)
        if spec is None:
            if len(self._specs) >= _MAX_SPECS:
                self._specs.clear()
            spec = self._specs[model.name] = to_spec(model)
        return spec

    def _measured(self, asked: Asked) -> contextlib.AbstractContextManager[Request]:
        return self._statistics.measured(asked.spec.name, asked.arrived_ns, asked.read_ns)

    async def _single(self, packer: Packer, tenant: str) -> bytes:
        asked = packer.asked
        with self._measured(asked) as cost:
            if not asked.fits_one_response:
                raise _too_large(asked)
            if asked.query.count <= asked.rows_per_answer:
                packed = await self._sampler.sample(asked.query, functools.partial(packer.whole, last=True), tenant)
                cost.add(packed.effort)
                return packed.message
            parts = [part async for part in self._parts(asked, _Partly(packer), tenant)]
            for part in parts:
                cost.add(part.effort)
            return packer.join(parts)

    async def _one(self, packer: Packer, tenant: str) -> AsyncIterator[bytes]:
        yield await self._single(packer, tenant)
        if packer.asked.empty_final:
            yield packer.empty_final()

    async def _several(self, packer: Packer, tenant: str) -> AsyncIterator[bytes]:
        with self._measured(packer.asked) as cost:
            async with contextlib.aclosing(self._parts(packer.asked, _Wholly(packer), tenant)) as answers:
                async for packed in answers:
                    cost.add(packed.effort)
                    yield packed.message
            if packer.asked.empty_final:
                yield packer.empty_final()

    async def _parts(self, asked: Asked, pack: Callable[[int, Chunk], T], tenant: str) -> AsyncIterator[T]:
        """Yields what `pack` makes of the samples, in parts.

        Args:
            asked: the request.
            pack: gets the number of samples before a part, and the part.
            tenant: who asks.
        """
        query = asked.query
        if isinstance(query, IndexQuery):
            for start in range(0, query.count, asked.rows_per_answer):
                part = _slice(query, start, start + asked.rows_per_answer)
                yield await self._sampler.sample(part, functools.partial(pack, start), tenant)
            return
        given = {field.name: getattr(query, field.name) for field in dataclasses.fields(query)}
        parts = self._sampler.stream(
            StreamQuery(**given), lambda chunk: pack(chunk.first_index - query.start, chunk), tenant
        )
        async with contextlib.aclosing(parts):
            async for part in parts:
                yield part


@dataclasses.dataclass(frozen=True)
class _Wholly:
    """Makes a response of every part."""

    packer: Packer

    def __call__(self, before: int, chunk: Chunk) -> Packed:
        return self.packer.whole(chunk, last=before + chunk.count == self.packer.asked.query.count)


@dataclasses.dataclass(frozen=True)
class _Partly:
    """Makes parts of one response."""

    packer: Packer

    def __call__(self, before: int, chunk: Chunk) -> Part:
        return self.packer.part(chunk, before)


def _slice(query: IndexQuery, start: int, stop: int) -> IndexQuery:
    """Returns the query for some of the places of another one."""
    indices, plan = query.indices[start:stop], query.plan
    if isinstance(plan, Given):
        plan = Given(indices, plan.labels[start:stop])
    return dataclasses.replace(query, indices=indices, plan=plan)


def _too_large(asked: Asked) -> ResourceExhausted:
    fitting = max(1, MAX_ANSWER_BYTES // max(asked.row_bytes, 1)) if asked.row_bytes else asked.rows_per_answer
    return ResourceExhausted(
        f"count: {asked.query.count} samples of {asked.row_bytes} bytes do not fit one response; ask for up to "
        f"{fitting}, or use ModelStreamInfer (async_stream_infer), which sends any number in several responses",
        field="count",
        value=asked.query.count,
        allowed=f"up to {fitting}",
    )
