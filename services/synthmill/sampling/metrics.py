"""What the sampling service tells Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SAMPLES = Counter("synthmill_sampling_samples", "Samples computed.", ["model"])
# Its count is the number of batches, its sum the seconds in ONNX Runtime.
COMPUTE_SECONDS = Histogram(
    "synthmill_sampling_batch_seconds",
    "Time of a batch in ONNX Runtime, by batch size.",
    ["batch_size"],
    buckets=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
)
LOADED_MODELS = Gauge("synthmill_sampling_loaded_models", "Model versions in memory.")
PROVIDER = Gauge(
    "synthmill_sampling_provider",
    "1 for the execution provider that a loaded model runs on.",
    ["model", "provider", "reason"],
)
LOAD_FAILURES = Counter("synthmill_sampling_load_failures", "Model versions that could not be loaded.", ["model"])
