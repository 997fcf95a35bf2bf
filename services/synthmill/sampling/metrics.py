"""What the sampling service tells Prometheus."""

from __future__ import annotations

import functools

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

SAMPLES = Counter("synthmill_sampling_samples", "Samples computed.", ["model"])
FILTERED = Counter(
    "synthmill_sampling_filtered",
    "Samples under a filter, by which of their candidates passed: first, later or none.",
    ["model", "passed"],
)
QUEUE_SECONDS = Histogram(
    "synthmill_sampling_queue_seconds", "Time from request to first batch, by priority.", ["priority"], buckets=_SECONDS
)
QUEUED_ROWS = Gauge("synthmill_sampling_queued_rows", "Samples of requests that were taken and have not ended.")
QUEUED_BYTES = Gauge("synthmill_sampling_queued_bytes", "Bytes of answers to those requests that are under way.")
BATCH_ROWS = Histogram(
    "synthmill_sampling_batch_rows",
    "Samples that were computed together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
BATCH_REQUESTS = Histogram(
    "synthmill_sampling_batch_requests", "Requests that were computed together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
# Its count is the number of batches, its sum the seconds in ONNX Runtime.
BATCH_SECONDS = Histogram(
    "synthmill_sampling_batch_seconds",
    "Time of a batch in ONNX Runtime, by batch size.",
    ["batch_size"],
    buckets=_SECONDS,
)
SEND_SECONDS = Histogram(
    "synthmill_sampling_send_seconds", "Time until a chunk of a stream was taken over by the network.", buckets=_SECONDS
)
SHED = Counter("synthmill_sampling_shed", "Requests refused for overload, by what was short.", ["reason"])
CANCELLED = Counter("synthmill_sampling_cancelled", "Requests that nobody waits for any more, by stage.", ["stage"])
LOADED_MODELS = Gauge("synthmill_sampling_loaded_models", "Model versions in memory.")
PROVIDER = Gauge(
    "synthmill_sampling_provider",
    "1 for the execution provider that a loaded model runs on.",
    ["model", "provider", "reason"],
)
LOAD_FAILURES = Counter("synthmill_sampling_load_failures", "Model versions that could not be loaded.", ["model"])


@functools.cache
def batch_seconds(size: int) -> Histogram:
    """Returns the histogram of a batch size; looking it up by label each time would cost more than counting."""
    return BATCH_SECONDS.labels(str(size))


@functools.cache
def queue_seconds(priority: str) -> Histogram:
    """Returns the histogram of a priority: "urgent" or "bulk"."""
    return QUEUE_SECONDS.labels(priority)
