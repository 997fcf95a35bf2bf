"""What the catalog tells Prometheus, beside what `holdings` counts."""

from __future__ import annotations

from prometheus_client import Counter

UPLOAD_BYTES = Counter("synthmill_catalog_upload_bytes", "Bytes of files that were sent, kept or not.")
