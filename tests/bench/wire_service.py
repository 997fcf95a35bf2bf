"""A sampling service that does nothing but pack and send: `python -m bench.wire_service`. What is left is the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import ClassVar

import grpc
import numpy as np

from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.drain import Drain
from synthmill.runtime.service import Assembly, Mount, run_service
from synthmill.runtime.tensors import to_batch
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import sampling_service_pb2_grpc

IMAGE_SHAPE = (28, 28, 1)
IMAGE_BYTES = 28 * 28


@dataclasses.dataclass(frozen=True)
class WireConfig(ServiceConfig):
    """Settings of the service."""

    service: ClassVar[str] = "sampling"


class WireServicer(sampling_service_pb2_grpc.SamplingServiceServicer):
    """Streams images that were there before."""

    async def StreamSamples(
        self, request: pb.StreamSamplesRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.SampleChunk]:
        rows = max(1, request.chunk_bytes // IMAGE_BYTES)
        images = np.random.default_rng(0).integers(256, size=(rows, *IMAGE_SHAPE), dtype=np.uint8)
        labels = np.arange(rows) % 10
        for first in range(request.start_index, request.start_index + request.count, rows):
            count = min(rows, request.start_index + request.count - first)
            batch = to_batch({"image": images[:count], "label": labels[:count]})
            yield pb.SampleChunk(first_index=first, count=count, batch=batch)


def build(config: WireConfig, drain: Drain) -> Assembly:
    """Puts the service together."""
    add = sampling_service_pb2_grpc.add_SamplingServiceServicer_to_server
    return Assembly([Mount("synthmill.v1.SamplingService", add, WireServicer())])


if __name__ == "__main__":
    run_service(WireConfig, build)
