"""A sampling service that computes its samples from seed, index and label."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from unit.client.fakes.faults import Faults, faulty
from unit.client.fakes.model import DIGEST, LABELS, MODEL, SHAPE, make_model

from synthmill.runtime.errors import InvalidField, NotFound, OutOfRange, ResourceExhausted
from synthmill.runtime.tensors import to_batch
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import sampling_service_pb2_grpc

CHUNK_SAMPLES = 37
ANSWER_LIMIT = 500


def expected_columns(seed: int, index: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the samples of the fake model: every pixel depends on seed, index, label and place."""
    place = np.arange(np.prod(SHAPE))
    mixed = (np.uint64(seed) + index.astype(np.uint64) * np.uint64(7919) + labels.astype(np.uint64) * np.uint64(31))[
        :, None
    ]
    pixels = (mixed * np.uint64(2654435761) + place.astype(np.uint64) * np.uint64(97)) >> np.uint64(5)
    return {"image": (pixels % 256).astype(np.uint8).reshape(-1, *SHAPE), "label": labels.astype(np.int64)}


def expected_opinions(index: np.ndarray, by: pb.SampleFilter) -> dict[str, np.ndarray]:
    """Returns the columns that the fake model's samples have under a filter."""
    attempts = by.attempts or 8
    found = {"confidence": (index % 10 / 10).astype(np.float32)}
    if by.HasField("min_score"):
        found["score"] = (index % 7).astype(np.float32)
    return {**found, "attempt": (index % attempts).astype(np.int32), "passed": index % 5 != 0}


def expected_labels(index: np.ndarray, plan: Any = None) -> np.ndarray:
    """Returns the labels that the fake model gives to indices under a plan."""
    match plan.WhichOneof("plan") if plan is not None else None:
        case "label":
            return np.full(len(index), _position(plan.label))
        case "counts":
            row = np.repeat(np.arange(len(LABELS)), [plan.counts.counts.get(name, 0) for name in LABELS])
            if len(index) and index.max() >= len(row):
                raise OutOfRange("start_index + count", int(index.max()) + 1, f"up to {len(row)}")
            return row[index]
        case "weights":
            heaviest = max(plan.weights.weights, key=lambda name: plan.weights.weights[name])
            return np.full(len(index), _position(heaviest))
        case "balance":
            raise AssertionError("a stream was asked for with a plan that looks at a dataset")
    return index % len(LABELS)


def _position(label: str) -> int:
    if label not in LABELS:
        raise InvalidField("label_plan.label", label, "one of " + ", ".join(LABELS))
    return LABELS.index(label)


class FakeSampling(sampling_service_pb2_grpc.SamplingServiceServicer):
    """A model "pets" with three classes."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: list[Any] = []
        self.version = 1
        self.class_counts = {"cat": 5, "dog": 2, "fox": 4}
        self.ended = threading.Event()

    async def Sample(self, request: pb.SampleRequest, context: Any) -> pb.SampleChunk:
        self._record(request)
        index = np.array(request.indices, np.int64)
        if not request.indices:
            _check_range(request)
            index = np.arange(request.start_index, request.start_index + request.count)
        if len(index) > ANSWER_LIMIT:
            raise ResourceExhausted(f"the answer would be too large, allowed: {ANSWER_LIMIT} samples")
        return self._chunk(request, index)

    async def StreamSamples(self, request: pb.StreamSamplesRequest, context: Any) -> AsyncIterator[pb.SampleChunk]:
        self._record(request)
        _check_range(request)
        try:
            async for chunk in faulty(self._chunks(request), self.faults):
                yield chunk
                await asyncio.sleep(0)
        finally:
            self.ended.set()

    async def CountLabels(self, request: pb.CountLabelsRequest, context: Any) -> Any:
        self._record(request)
        match request.label_plan.WhichOneof("plan"):
            case "balance":
                target = request.label_plan.balance.target_count or max(self.class_counts.values())
                counts = {name: max(0, target - count) for name, count in self.class_counts.items()}
            case "counts":
                counts = dict(request.label_plan.counts.counts)
            case _:
                _check_range(request)
                index = np.arange(request.start_index, request.start_index + request.count)
                found = np.bincount(expected_labels(index, request.label_plan), minlength=len(LABELS))
                counts = dict(zip(LABELS, found.tolist(), strict=True))
        return pb.CountLabelsResponse(count=sum(counts.values()), counts=counts)

    async def LoadModel(self, request: pb.LoadModelRequest, context: Any) -> pb.LoadedModel:
        self._record(request, request.name)
        return pb.LoadedModel(model=make_model(self.version), provider="CPUExecutionProvider")

    async def ListLoadedModels(self, request: Any, context: Any) -> pb.ListLoadedModelsResponse:
        loaded = pb.LoadedModel(model=make_model(self.version))
        return pb.ListLoadedModelsResponse(models=[loaded])

    def _record(self, request: Any, model: str = "") -> None:
        self.requests.append(type(request).FromString(request.SerializeToString()))
        model = model or request.model
        if not model.startswith(MODEL):
            raise NotFound(f"there is no {model}", field="model", value=model)

    def _chunks(self, request: pb.StreamSamplesRequest) -> Iterator[pb.SampleChunk]:
        end = request.start_index + request.count
        for start in range(request.start_index, end, CHUNK_SAMPLES):
            chunk = self._chunk(request, np.arange(start, min(start + CHUNK_SAMPLES, end)))
            if start > request.start_index:
                chunk.model = ""
            yield chunk

    def _chunk(self, request: Any, index: np.ndarray) -> pb.SampleChunk:
        labels = expected_labels(index, request.label_plan)
        columns = expected_columns(request.seed, index, labels)
        if request.HasField("filter"):
            columns |= expected_opinions(index, request.filter)
        name = request.model if "/versions/" in request.model else f"{request.model}/versions/{self.version}"
        return pb.SampleChunk(
            first_index=int(index[0]),
            count=len(index),
            batch=to_batch(columns),
            model_digest=DIGEST,
            model=name,
        )


def _check_range(request: Any) -> None:
    if request.start_index < 0:
        raise InvalidField("start_index", request.start_index, "at least 0")
    if not 1 <= request.count <= 1 << 48:
        raise InvalidField("count", request.count, "1 to 2^48")
