"""Between messages and the sampling service's own values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.filters import DEFAULT_ATTEMPTS, MAX_ATTEMPTS, Filter
from synthmill.runtime.names import DATASETS, MODELS, parse_name
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.sampling.frames import encode_chunk
from synthmill.sampling.models import LoadedModel
from synthmill.sampling.plans import Balance, Counts, One, PlanSpec, Weights
from synthmill.sampling.queries import IndexQuery, RangeQuery, StreamQuery
from synthmill.sampling.sampler import MAX_ANSWER_BYTES, Chunk
from synthmill.v1 import label_plan_pb2
from synthmill.v1 import sampling_service_pb2 as pb

MAX_INDICES = 1 << 20


def to_sample_query(request: pb.SampleRequest) -> RangeQuery | IndexQuery:
    """Validates a request for a few samples.

    Raises:
        InvalidField: a field has a value that is not allowed.
    """
    if not request.indices:
        start, count = to_range(request.start_index, request.count, least=1)
        return RangeQuery(*_to_common(request), start=start, count=count)
    for field in ("start_index", "count"):
        if getattr(request, field):
            raise InvalidField(field, getattr(request, field), "unset, as `indices` is given")
    if len(request.indices) > MAX_INDICES:
        raise InvalidField("indices", f"{len(request.indices)} of them", f"up to {MAX_INDICES} of them")
    for index in request.indices:
        if not 0 <= index < INDEX_LIMIT:
            raise InvalidField("indices", index, f"0 to {INDEX_LIMIT - 1}")
    return IndexQuery(*_to_common(request), indices=tuple(request.indices))


def to_stream_query(request: pb.StreamSamplesRequest) -> StreamQuery:
    """Validates a request for a stream; raises as `to_sample_query`."""
    start, count = to_range(request.start_index, request.count, least=1)
    if not 0 <= request.chunk_bytes <= MAX_ANSWER_BYTES:
        raise InvalidField("chunk_bytes", request.chunk_bytes, f"0 to {MAX_ANSWER_BYTES}")
    return StreamQuery(*_to_common(request), start=start, count=count, chunk_bytes=request.chunk_bytes)


def to_count_query(request: pb.CountLabelsRequest) -> RangeQuery:
    """Validates a request to count labels; raises as `to_sample_query`."""
    start, count = to_range(request.start_index, request.count, least=0)
    parse_name(MODELS, "model", request.model)
    return RangeQuery(request.model, request.seed, to_plan(request.label_plan), start=start, count=count)


def to_range(start: int, count: int, least: int) -> tuple[int, int]:
    """Validates a range of at least so many indices; returns its first index and their number.

    Raises:
        InvalidField: it is empty, or leaves the indices that there are.
    """
    if not 0 <= start < INDEX_LIMIT:
        raise InvalidField("start_index", start, f"0 to {INDEX_LIMIT - 1}")
    if not least <= count <= INDEX_LIMIT - start:
        raise InvalidField("count", count, f"{least} to {INDEX_LIMIT - start}")
    return start, count


def to_truncation(value: float) -> float:
    """Validates a scale of the latent vector.

    Raises:
        InvalidField: it is no finite number above 0.
    """
    if not (math.isfinite(value) and value > 0):
        raise InvalidField("truncation", value, "a finite number above 0")
    return value


def to_filter(asked: pb.SampleFilter) -> Filter:
    """Validates a filter.

    Raises:
        InvalidField: a bound or the number of candidates is not allowed.
    """
    confidence = asked.min_confidence if asked.HasField("min_confidence") else None
    score = asked.min_score if asked.HasField("min_score") else None
    if confidence is not None and not 0 <= confidence <= 1:
        raise InvalidField("filter.min_confidence", confidence, "0 to 1")
    if score is not None and not math.isfinite(score):
        raise InvalidField("filter.min_score", score, "a finite number")
    if not 0 <= asked.attempts <= MAX_ATTEMPTS:
        raise InvalidField("filter.attempts", asked.attempts, f"0 to {MAX_ATTEMPTS}; 0 means {DEFAULT_ATTEMPTS}")
    return Filter(confidence, score, asked.attempts or DEFAULT_ATTEMPTS)


def to_plan(plan: label_plan_pb2.LabelPlan) -> PlanSpec | None:
    """Validates a label plan; None if it says nothing.

    Raises:
        InvalidField: a name is malformed.
    """
    match plan.WhichOneof("plan"):
        case "label":
            return One(plan.label)
        case "counts":
            return Counts(dict(plan.counts.counts))
        case "weights":
            return Weights(dict(plan.weights.weights))
        case "balance":
            parse_name(DATASETS, "label_plan.balance.dataset", plan.balance.dataset)
            return Balance(plan.balance.dataset, plan.balance.target_count)
    return None


def packer(stream_start: int | None = None) -> Callable[[Chunk], bytes]:
    """Returns what makes serialised messages of chunks.

    Args:
        stream_start: first index of a stream, whose first chunk alone names the model; None for a single answer.
    """

    def pack(chunk: Chunk) -> bytes:
        model = chunk.model if stream_start in (None, chunk.first_index) else ""
        return encode_chunk(chunk.first_index, chunk.count, chunk.pieces, chunk.digest, model)

    return pack


def to_label_counts(counts: Mapping[str, int]) -> pb.CountLabelsResponse:
    """Makes the message of numbers by class name."""
    return pb.CountLabelsResponse(count=sum(counts.values()), counts=counts)


def to_loaded_model(loaded: LoadedModel) -> pb.LoadedModel:
    """Makes the message of a version in memory."""
    provider = loaded.engine.provider
    return pb.LoadedModel(
        model=loaded.model,
        provider=provider.name,
        provider_reason=provider.reason,
        active_calls=loaded.active_calls,
        memory_bytes=loaded.memory_bytes,
    )


def _to_common(
    request: pb.SampleRequest | pb.StreamSamplesRequest,
) -> tuple[str, int, PlanSpec | None, float | None, Filter | None]:
    parse_name(MODELS, "model", request.model)
    truncation = to_truncation(request.truncation) if request.HasField("truncation") else None
    by = to_filter(request.filter) if request.HasField("filter") else None
    return request.model, request.seed, to_plan(request.label_plan), truncation, by
