"""Records on their way to a stream: kept until they are answered, and sent again when the stream breaks."""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from synthmill.client.packing import MESSAGE_BYTES, Packing
from synthmill.client.records import EncodedRecord, NumberedRecord, join_records
from synthmill.client.results import Result
from synthmill.runtime.errors import DataLoss
from synthmill.v1 import augmentation_service_pb2 as pb

_MESSAGE_RECORDS = 256
# A source that brings a record now and then must not wait until a message is full.
_LONGEST_WAIT_S = 0.03


class _Nothing(enum.Enum):
    """Why there is no record."""

    END = enum.auto()
    NO_ROOM = enum.auto()


class _Answer:
    """What the service has answered to the first message of a try."""

    def __init__(self) -> None:
        self._come = threading.Event()
        self._shares_memory = False

    def give(self, shares_memory: bool) -> None:
        if not self._come.is_set():
            self._shares_memory = shares_memory
            self._come.set()

    def wait(self) -> bool:
        self._come.wait()
        return self._shares_memory


class Outbox:
    """The records of one stream, over all tries.

    A try sends what has no answer yet, then takes more from the source. Its messages are taken in a thread of gRPC's
    own, which may still be at it when the next try has begun: from then on it gets nothing.

    Args:
        records: the source, in order.
        packing: how they go.
    """

    def __init__(self, records: Iterable[NumberedRecord], packing: Packing) -> None:
        self._source, self._packing = iter(records), packing
        self._drawn: NumberedRecord | None = None
        self._unanswered: deque[EncodedRecord] = deque()
        self._try = self._sent = self._answered = 0
        self._ended = False
        self._answer = _Answer()
        # One guards the source, which may take its time, the other one what is known of its records and how they go.
        self._taking, self._lock = threading.Lock(), threading.Condition()

    @property
    def finished(self) -> bool:
        """Whether the source has ended and all of its records are answered."""
        with self._lock:
            return self._ended and not self._unanswered

    def messages(self, spec: pb.AugmentationSpec) -> Iterator[bytes]:
        """Begins a try and returns its messages, serialised."""
        with self._lock:
            self._begin_try()
            mine, self._answer = self._try, _Answer()
        return self._messages(spec, mine, self._answer)

    def open(self, *, shares_memory: bool = False) -> None:
        """Lets the records of a try follow, or the try end: its first message was answered, or never will be."""
        self._answer.give(shares_memory)

    def close(self) -> None:
        """Ends the last try."""
        with self._lock:
            self._begin_try()
        self.open()
        self._packing.close()

    def answered(self, result: Result) -> Result:
        """Forgets the next record, which was answered; returns the answer with its data.

        Raises:
            DataLoss: it is not the one whose turn it was.
        """
        with self._lock:
            record = self._unanswered.popleft() if self._unanswered else None
            self._sent -= 1
        if record is None or result.index != record.index:
            expected = record and record.index
            raise DataLoss(f"the stream answered record {result.index}, where {expected} was expected")
        unpacked = self._packing.unpack(record, result)
        with self._lock:
            self._packing.release(record)
            self._answered += 1
            self._lock.notify_all()
        return unpacked

    def _begin_try(self) -> None:
        self._try += 1
        self._sent = 0
        self._lock.notify_all()

    def _messages(self, spec: pb.AugmentationSpec, mine: int, answer: _Answer) -> Iterator[bytes]:
        yield self._opening(spec, mine).SerializeToString()
        # If the service refuses the spec, nothing is on its way that would get in between.
        self._settle(mine, answer.wait())
        while records := self._next(mine):
            yield join_records(records)

    def _opening(self, spec: pb.AugmentationSpec, mine: int) -> pb.AugmentStreamRequest:
        with self._lock:
            offered = self._packing.offer() if self._try == mine else None
        return pb.AugmentStreamRequest(spec=spec, shared_memory=offered)

    def _settle(self, mine: int, shares_memory: bool) -> None:
        with self._lock:
            if self._try == mine:
                self._unanswered = deque(self._packing.settle(self._unanswered, shared=shares_memory))

    def _next(self, mine: int) -> list[EncodedRecord]:
        """Returns the records of the next message, none at the end or when a newer try has begun."""
        # What was sent before is not to wait for a source that may take its time.
        return self._unsent(mine) or self._new(mine)

    def _unsent(self, mine: int) -> list[EncodedRecord]:
        """Returns records that an earlier try has taken and that have no answer, as many as a message has."""
        records: list[EncodedRecord] = []
        size = 0
        with self._lock:
            if self._try == mine:
                for record in itertools.islice(self._unanswered, self._sent, self._sent + _MESSAGE_RECORDS):
                    if size >= MESSAGE_BYTES:
                        break
                    records.append(record)
                    size += record.size
                self._sent += len(records)
        return records

    def _new(self, mine: int) -> list[EncodedRecord]:
        """Takes the records of a message from the source."""
        records: list[EncodedRecord] = []
        size, began = 0, time.monotonic()
        while len(records) < _MESSAGE_RECORDS and size < MESSAGE_BYTES:
            answered = self._answered
            record = self._take(mine)
            if record is _Nothing.NO_ROOM and not records:
                self._wait_for_answer(mine, answered)
            elif isinstance(record, _Nothing):
                break
            else:
                records.append(record)
                size += record.size
                if time.monotonic() - began > _LONGEST_WAIT_S:
                    break
        return records

    def _wait_for_answer(self, mine: int, answered: int) -> None:
        """Waits until more records are answered than there were, or a newer try has begun."""
        with self._lock:
            self._lock.wait_for(lambda: self._try != mine or self._answered != answered)

    def _take(self, mine: int) -> EncodedRecord | _Nothing:
        with self._taking:
            if self._try != mine or self._ended:
                return _Nothing.END
            self._drawn = self._drawn or next(self._source, None)
            with self._lock:
                # What was drawn meanwhile is for the newer try.
                if self._try != mine:
                    return _Nothing.END
                if self._drawn is None:
                    self._ended = True
                    return _Nothing.END
                packed = self._packing.pack(self._drawn)
                if packed is None:
                    return _Nothing.NO_ROOM
                self._drawn = None
                self._unanswered.append(packed)
                self._sent += 1
                return packed
