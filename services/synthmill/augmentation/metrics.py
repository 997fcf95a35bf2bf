"""What the augmentation service tells Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("synthmill_augmentation_records", "Records of calls and streams, by outcome.", ["outcome"])
AUGMENTED, FAILED = RECORDS.labels("augmented"), RECORDS.labels("failed")
BATCH_SECONDS = Histogram(
    "synthmill_augmentation_batch_seconds",
    "Time of a batch in its thread.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
)
HELD_BYTES = Gauge("synthmill_augmentation_held_bytes", "Memory that calls and streams under way are counted with.")
SHED = Counter("synthmill_augmentation_shed", "Calls and streams refused for overload.")
