"""How records go to a service and come back: their data in messages, or in memory that is lent to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from synthmill.client.lending import CAN_LEND, LentMemory
from synthmill.client.records import (
    EncodedRecord,
    NumberedRecord,
    encode_record,
    encode_record_in_block,
    to_message,
)
from synthmill.client.results import Result
from synthmill.runtime.blocks import ALIGNMENT, bytes_of, lay_out, size_together
from synthmill.runtime.errors import DataLoss
from synthmill.runtime.tensors import from_tensor
from synthmill.runtime.views import TensorView
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

MESSAGE_BYTES = 4 << 20
"""What the records of a message take, the last one aside."""

LENT_BYTES = 2 * MESSAGE_BYTES * ((os.cpu_count() or 1) + 4)
"""What is lent at most: the records of a message and as much for their results, for each message that the service works
at and for a few more on the way."""

# A smaller record takes less time in a message, and a larger one would leave too little to others.
_LEAST_BYTES, _MOST_BYTES = 16 << 10, LENT_BYTES // 8


def bytes_for(records: Sequence[NumberedRecord]) -> int:
    """Returns what to lend for some records and no more, whose results are no larger."""
    return min(LENT_BYTES, 2 * sum(record.size + 2 * ALIGNMENT * len(record.arrays) for record in records))


class Packing:
    """The memory that a stream lends, if it does, and what lies in it.

    Args:
        lend_bytes: memory to offer; zero means none.
    """

    def __init__(self, lend_bytes: int) -> None:
        self._lend_bytes = lend_bytes if CAN_LEND else 0
        self._memory: LentMemory | None = None
        self._shared = False
        self._result_size = 0

    def offer(self) -> pb.SharedMemory | None:
        """Returns what to offer to a service that has not been offered any; None if nothing."""
        try:
            if self._memory is not None:
                self._memory.renew()
            elif self._lend_bytes:
                self._memory = LentMemory(self._lend_bytes)
        # Not as much is left of what the machine, or a container, may have.
        except OSError:
            self._lend_bytes = 0
        return self._memory.offer() if self._lend_bytes and self._memory is not None else None

    def settle(self, records: Iterable[EncodedRecord], *, shared: bool) -> list[EncodedRecord]:
        """Goes by what the service has answered to the offer.

        Args:
            records: those that were packed for an earlier one.
            shared: whether it takes the memory.

        Returns:
            The records as they can be sent to it.
        """
        self.close()
        self._shared = shared and self._memory is not None
        if self._shared:
            return list(records)
        unpacked = [self._with_data(record) for record in records]
        self._memory, self._lend_bytes = None, 0
        return unpacked

    def pack(self, record: NumberedRecord) -> EncodedRecord | None:
        """Returns a record as it can be sent; None if there is no room before others are released.

        Raises:
            InvalidField: something is no array.
        """
        views = [bytes_of(array) for array in record.arrays.values()] if self._is_suited(record) else [None]
        if self._memory is None or None in views:
            return encode_record(record)
        *_, (_, size), (at, _) = lay_out([*map(len, views), 0])
        room = max(size, self._result_size)
        if at + room > self._lend_bytes:
            return encode_record(record)
        start = self._memory.take(at + room)
        if start is None:
            return None
        self._memory.write(start, views)
        block = pb.Block(offset=start, byte_size=size)
        return encode_record_in_block(record, block, pb.Block(offset=start + at, byte_size=room))

    def unpack(self, record: EncodedRecord, result: Result) -> Result:
        """Returns the result of a record with its data.

        Raises:
            DataLoss: they are not where the service says.
        """
        if not result.in_block:
            size = size_together(len(tensor.data) for tensor in result.arrays)
            if size <= _MOST_BYTES:
                self._result_size = max(self._result_size, size)
            return result
        block = record.result_block
        if self._memory is None or block is None:
            raise DataLoss(f"the result of record {result.index} is said to lie in memory that it was not given")
        return result._replace(arrays=self._memory.read(block.offset, result.arrays, block.byte_size))

    def release(self, record: EncodedRecord) -> None:
        """Gives up what a record has of the memory; records come in the order in which they were packed."""
        if self._memory is not None and record.block is not None:
            self._memory.give_back()

    def close(self) -> None:
        """Offers the memory no longer; it goes with the last one that has it."""
        if self._memory is not None:
            self._memory.withdraw()

    def _is_suited(self, record: NumberedRecord) -> bool:
        size = record.size
        return self._shared and 0 < size <= _MOST_BYTES and max(size, self._result_size) >= _LEAST_BYTES

    def _with_data(self, record: EncodedRecord) -> EncodedRecord:
        if self._memory is None or record.block is None:
            return record
        tensors: Sequence[Tensor | TensorView] = to_message(record).arrays
        filled = self._memory.read(record.block.offset, tensors, record.block.byte_size)
        return encode_record(NumberedRecord(record.index, {tensor.name: from_tensor(tensor) for tensor in filled}))
