"""How a client calls."""

from __future__ import annotations

import dataclasses

from synthmill.client.retrying import RetryPolicy


@dataclasses.dataclass(frozen=True)
class Settings:
    """Deadlines and retries.

    Attributes:
        timeout_s: deadline of a call with one answer, in seconds.
        stream_timeout_s: deadline of one try of a stream, in seconds; after it the stream is taken up where it was.
        upload_timeout_s: deadline of an upload, in seconds.
        retry: how often a broken stream is taken up again.
        shared_memory: whether records are streamed to a service on this machine through memory that it is lent.
    """

    timeout_s: float = 30.0
    stream_timeout_s: float = 600.0
    upload_timeout_s: float = 3600.0
    retry: RetryPolicy = dataclasses.field(default_factory=RetryPolicy)
    shared_memory: bool = True
