"""Small services that answer as the protos say, from memory, and break when a test wants them to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, NotFound, OutOfRange, ResourceExhausted, Unavailable
from synthmill.runtime.interceptors import CallInterceptor
from synthmill.runtime.jobs.names import new_job_name
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.runtime.tensors import to_batch, to_column_specs
from synthmill.v1 import (
    artifact_pb2,
    catalog_service_pb2_grpc,
    dataset_pb2,
    job_pb2,
    job_service_pb2_grpc,
    model_pb2,
    sampling_service_pb2_grpc,
    training_service_pb2_grpc,
)
from synthmill.v1 import catalog_service_pb2 as catalog_pb
from synthmill.v1 import job_service_pb2 as job_pb
from synthmill.v1 import sampling_service_pb2 as sampling_pb
from synthmill.v1 import training_service_pb2 as training_pb

LABELS = ("cat", "dog", "fox")
SHAPE = (6, 5, 1)
SCHEMA = {"height": SHAPE[0], "width": SHAPE[1], "channels": SHAPE[2]}
CHUNK_SAMPLES = 37
ANSWER_LIMIT = 500
MODEL = "models/pets"
DIGEST = hashlib.sha256(b"pets").hexdigest()

END_EARLY = "end early"
"""A fault: the stream ends as if all were well, before its time."""

BREAK = "break"
"""A fault: the stream ends with UNAVAILABLE."""


def expected_columns(seed: int, index: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the samples of the fake model: every pixel depends on seed, index, label and place."""
    place = np.arange(np.prod(SHAPE))
    mixed = (np.uint64(seed) + index.astype(np.uint64) * np.uint64(7919) + labels.astype(np.uint64) * np.uint64(31))[:, None]
    pixels = (mixed * np.uint64(2654435761) + place.astype(np.uint64) * np.uint64(97)) >> np.uint64(5)
    return {"image": (pixels % 256).astype(np.uint8).reshape(-1, *SHAPE), "label": labels.astype(np.int64)}


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


class Faults:
    """Says at which message each further stream ends too early; a stream that has no entry does not.

    Attributes:
        plan: pairs of (message before which it ends, kind of fault), a pair per stream.
        opened: number of streams so far.
    """

    def __init__(self) -> None:
        self.plan: list[tuple[int, str]] = []
        self.opened = 0

    def begin(self) -> tuple[int, str]:
        """Returns the fault of the next stream."""
        self.opened += 1
        return self.plan.pop(0) if self.plan else (-1, "")


async def faulty(messages: Iterator[Any], faults: Faults) -> AsyncIterator[Any]:
    """Passes messages on up to the stream's fault."""
    last, fault = faults.begin()
    for number, message in enumerate(messages):
        if number == last:
            if fault == BREAK:
                raise Unavailable("the fake breaks")
            return
        yield message
    if last >= 0 and fault == BREAK:
        raise Unavailable("the fake breaks at its end")


class FakeSampling(sampling_service_pb2_grpc.SamplingServiceServicer):
    """A model "pets" with three classes."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: list[Any] = []
        self.version = 1
        self.class_counts = {"cat": 5, "dog": 2, "fox": 4}
        self.cancelled = threading.Event()
        self.endless = False

    async def Sample(self, request: sampling_pb.SampleRequest, context: Any) -> sampling_pb.SampleChunk:
        self._record(request)
        index = np.array(request.indices, np.int64)
        if not request.indices:
            _check_range(request)
            index = np.arange(request.start_index, request.start_index + request.count)
        if len(index) > ANSWER_LIMIT:
            raise ResourceExhausted(f"the answer would be too large, allowed: {ANSWER_LIMIT} samples")
        return self._chunk(request, index)

    async def StreamSamples(
        self, request: sampling_pb.StreamSamplesRequest, context: Any
    ) -> AsyncIterator[sampling_pb.SampleChunk]:
        self._record(request)
        _check_range(request)
        try:
            async for chunk in faulty(self._chunks(request), self.faults):
                yield chunk
                await asyncio.sleep(0)
        finally:
            self.cancelled.set()

    async def CountLabels(self, request: sampling_pb.CountLabelsRequest, context: Any) -> Any:
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
        return sampling_pb.CountLabelsResponse(count=sum(counts.values()), counts=counts)

    async def LoadModel(self, request: sampling_pb.LoadModelRequest, context: Any) -> sampling_pb.LoadedModel:
        self._record(request, request.name)
        return sampling_pb.LoadedModel(model=make_model(self.version), provider="CPUExecutionProvider")

    async def ListLoadedModels(self, request: Any, context: Any) -> sampling_pb.ListLoadedModelsResponse:
        loaded = sampling_pb.LoadedModel(model=make_model(self.version))
        return sampling_pb.ListLoadedModelsResponse(models=[loaded])

    def _record(self, request: Any, model: str = "") -> None:
        self.requests.append(type(request).FromString(request.SerializeToString()))
        model = model or request.model
        if not model.startswith(MODEL):
            raise NotFound(f"there is no {model}", field="model", value=model)

    def _chunks(self, request: sampling_pb.StreamSamplesRequest) -> Iterator[sampling_pb.SampleChunk]:
        end = request.start_index + request.count
        for start in range(request.start_index, end, CHUNK_SAMPLES):
            chunk = self._chunk(request, np.arange(start, min(start + CHUNK_SAMPLES, end)))
            if start > request.start_index:
                chunk.model = ""
            yield chunk

    def _chunk(self, request: Any, index: np.ndarray) -> sampling_pb.SampleChunk:
        labels = expected_labels(index, request.label_plan)
        name = request.model if "/versions/" in request.model else f"{request.model}/versions/{self.version}"
        return sampling_pb.SampleChunk(
            first_index=int(index[0]),
            count=len(index),
            batch=to_batch(expected_columns(request.seed, index, labels)),
            model_digest=DIGEST,
            model=name,
        )


def _check_range(request: Any) -> None:
    if request.start_index < 0:
        raise InvalidField("start_index", request.start_index, "at least 0")
    if not 1 <= request.count <= 1 << 48:
        raise InvalidField("count", request.count, "1 to 2^48")
