"""The loads of the sampling service that workers make, by name."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from synthmill.bench.sampling import onnx_loop, streams, unary


def _mix(given: dict[str, Any]) -> unary.Mix:
    return unary.Mix(given["method"], _requests(given["requests"]), given["counts"])


def _requests(given: list[str]) -> list[bytes]:
    return [base64.b64decode(request) for request in given]


LOADS: dict[str, Callable[..., Any]] = {
    "receive": lambda requests, **rest: streams.receive(requests=_requests(requests), **rest),
    "receive_pipe": lambda requests, **rest: streams.receive_pipe(requests=_requests(requests), **rest),
    "iterate": streams.iterate,
    "closed_loop": lambda mix, **rest: unary.closed_loop(mix=_mix(mix), **rest),
    "open_loop": lambda mix, **rest: unary.open_loop(mix=_mix(mix), **rest),
    "loop_rate": onnx_loop.loop_rate,
    "run_latency": onnx_loop.run_latency,
}
