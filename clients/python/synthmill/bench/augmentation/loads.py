"""The loads of the augmentation service that workers make, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synthmill.bench.augmentation.calls import call_records
from synthmill.bench.augmentation.engine import augment_here
from synthmill.bench.augmentation.streams import stream_records

LOADS: dict[str, Callable[..., Any]] = {
    "stream_records": stream_records,
    "call_records": call_records,
    "augment_here": augment_here,
}
