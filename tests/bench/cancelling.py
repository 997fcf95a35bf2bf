"""A process that cancels streams: `python -m bench.cancelling`.

It reads lines of JSON and answers each with one: {"address", "model", "request", "cancels"} cancels so many streams and
tells how soon the service was free again; {..., "seconds"} mixes cancelled and finished streams for so long.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from typing import Any

import grpc

from synthmill.bench.sampling.wire import SAMPLE, STREAM
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

TOGETHER = 20
_OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]
_FREE_WITHIN_S = 60.0
_FINISHED_SAMPLES = 200


async def cancel_all(channel: grpc.aio.Channel, model: str, request: bytes, cancels: int) -> dict[str, Any]:
    """Cancels streams, `TOGETHER` at a time, each after its first message.

    Returns:
        "free_s": times from cancelling until the service counts no call of the model; "sample_s": latencies of a
        request for one sample that is sent right after cancelling.
    """
    stub = SamplingServiceStub(channel)
    single = pb.SampleRequest(model=model, count=1).SerializeToString()
    sample = channel.unary_unary(SAMPLE)
    free_s, sample_s = [], []
    for _ in range(0, cancels, TOGETHER):
        calls = [channel.unary_stream(STREAM)(request) for _ in range(TOGETHER)]
        await asyncio.gather(*(call.read() for call in calls))
        for call in calls:
            call.cancel()
        cancelled = time.perf_counter()
        await sample(single, timeout=_FREE_WITHIN_S)
        sample_s.append(time.perf_counter() - cancelled)
        while await _active_calls(stub, model) and time.perf_counter() - cancelled < _FREE_WITHIN_S:
            await asyncio.sleep(0.001)
        free_s.append(time.perf_counter() - cancelled)
    return {"free_s": free_s, "sample_s": sample_s}


async def mix(channel: grpc.aio.Channel, model: str, request: bytes, seconds: float) -> dict[str, Any]:
    """Keeps `TOGETHER` streams going, of which most are cancelled after some messages, and counts both."""
    end, counts = time.perf_counter() + seconds, {"cancelled": 0, "finished": 0}
    whole = pb.StreamSamplesRequest(model=model, count=_FINISHED_SAMPLES).SerializeToString()

    async def run(number: int) -> None:
        chosen = random.Random(number)
        while time.perf_counter() < end:
            cancelled = chosen.random() < 0.8
            call = channel.unary_stream(STREAM)(request if cancelled else whole)
            for _ in range(chosen.randrange(4) if cancelled else 1 << 30):
                if await call.read() is grpc.aio.EOF:
                    break
            call.cancel()
            counts["cancelled" if cancelled else "finished"] += 1

    await asyncio.gather(*(run(number) for number in range(TOGETHER)))
    return counts


async def _active_calls(stub: SamplingServiceStub, model: str) -> int:
    loaded = await stub.ListLoadedModels(pb.ListLoadedModelsRequest())
    return sum(found.active_calls for found in loaded.models if found.model.name == model)


async def main() -> None:
    """Does what the lines of the input say."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        given = json.loads(line)
        request = base64.b64decode(given["request"])
        async with grpc.aio.insecure_channel(given["address"], options=_OPTIONS) as channel:
            if "cancels" in given:
                found = await cancel_all(channel, given["model"], request, given["cancels"])
            else:
                found = await mix(channel, given["model"], request, given["seconds"])
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
