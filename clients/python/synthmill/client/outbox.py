"""Records on their way to a stream: kept until they are answered, and sent again when the stream breaks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from synthmill.client.records import EncodedRecord, encode_request
from synthmill.runtime.errors import DataLoss
from synthmill.v1 import augmentation_service_pb2 as pb

_MESSAGE_RECORDS = 256
_MESSAGE_BYTES = 4 << 20
# A source that brings a record now and then must not wait until a message is full.
_LONGEST_WAIT_S = 0.03


class Outbox:
    """The records of one stream, over all tries.

    A try sends what has no answer yet, then takes more from the source. Its messages are taken in a thread of gRPC's
    own, which may still be at it when the next try has begun: from then on it gets nothing.

    Args:
        records: the source, in order, each with its index.
    """

    def __init__(self, records: Iterable[EncodedRecord]) -> None:
        self._source = iter(records)
        self._unanswered: deque[EncodedRecord] = deque()
        self._try = self._sent = 0
        self._ended = False
        self._open = threading.Event()
        # One guards the source, which may take its time, the other one what is known of its records.
        self._taking, self._lock = threading.Lock(), threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether the source has ended and all of its records are answered."""
        with self._lock:
            return self._ended and not self._unanswered

    def messages(self, spec: pb.AugmentationSpec) -> Iterator[bytes]:
        """Begins a try and returns its messages, serialised."""
        with self._lock:
            self._try += 1
            self._sent = 0
            mine, self._open = self._try, threading.Event()
        return self._messages(spec, mine, self._open)

    def open(self) -> None:
        """Lets the records of a try follow, or the try end: its first message was answered, or never will be."""
        self._open.set()

    def answered(self, index: int) -> None:
        """Forgets the next record, which was answered.

        Args:
            index: that the answer names.

        Raises:
            DataLoss: it is not the one whose turn it was.
        """
        with self._lock:
            expected = self._unanswered.popleft().index if self._unanswered else None
            self._sent -= 1
        if index != expected:
            raise DataLoss(f"the stream answered record {index}, where {expected} was expected")

    def _messages(self, spec: pb.AugmentationSpec, mine: int, may_follow: threading.Event) -> Iterator[bytes]:
        yield encode_request(spec, ())
        # If the service refuses the spec, nothing is on its way that would get in between.
        may_follow.wait()
        while records := self._next(mine):
            yield encode_request(None, records)

    def _next(self, mine: int) -> list[EncodedRecord]:
        """Returns the records of the next message, none at the end or when a newer try has begun."""
        records: list[EncodedRecord] = []
        size, began = 0, time.monotonic()
        while len(records) < _MESSAGE_RECORDS and size < _MESSAGE_BYTES:
            record = self._take(mine)
            if record is None:
                break
            records.append(record)
            size += len(record.field)
            if time.monotonic() - began > _LONGEST_WAIT_S:
                break
        return records

    def _take(self, mine: int) -> EncodedRecord | None:
        with self._taking:
            with self._lock:
                if self._try != mine:
                    return None
                if self._sent < len(self._unanswered):
                    record = self._unanswered[self._sent]
                    self._sent += 1
                    return record
                if self._ended:
                    return None
            record = next(self._source, None)
            with self._lock:
                if record is None:
                    self._ended = True
                    return None
                self._unanswered.append(record)
                if self._try != mine:
                    return None
                self._sent += 1
                return record
