"""A process whose readers read one message of their stream and no more: `python -m bench.stalling`.

It reads a line of JSON, {"address", "requests"}, prints a line when all readers have begun, and ends with its input.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import grpc

from synthmill.bench.sampling.wire import STREAM

_OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]


async def stall(address: str, requests: list[bytes]) -> None:
    """Begins all streams, and holds them until the input ends."""
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in requests]
    calls = [channel.unary_stream(STREAM)(request) for channel, request in zip(channels, requests, strict=True)]
    await asyncio.gather(*(call.read() for call in calls))
    print(json.dumps({"readers": len(calls)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for call in calls:
        call.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    asyncio.run(stall(given["address"], [base64.b64decode(request) for request in given["requests"]]))
