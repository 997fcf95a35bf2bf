"""Counts and times of the requests by model version, as the protocol reports them."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import time
from collections.abc import Iterator

from synthmill.oip.v1 import statistics_pb2 as pb
from synthmill.sampling.oip.names import from_resource
from synthmill.sampling.timing import Spent

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclasses.dataclass
class Duration:
    """How often, and how long altogether in nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        """Counts one more, or several that took so long together."""
        self.count += count
        self.ns += ns

    def to_proto(self) -> pb.StatisticDuration:
        """Makes the message."""
        return pb.StatisticDuration(count=self.count, ns=self.ns)


Batches = collections.defaultdict[int, Duration]
"""How often batches were computed, and how long that took, by size."""


def _no_batches() -> Batches:
    return collections.defaultdict(Duration)


@dataclasses.dataclass(frozen=True)
class Effort:
    """What it took to make some samples.

    Attributes:
        samples: how many.
        spent: where the time went until they were there.
        packed_ns: time that making a response of them took.
    """

    samples: int
    spent: Spent
    packed_ns: int


@dataclasses.dataclass
class Request:
    """What one request has cost so far; filled in while it is answered.

    Attributes:
        samples: samples sent.
        queued_ns: waiting until the first of them began to be computed.
        computed_ns: time of the batches that they were computed in.
        packed_ns: making responses of them.
        batches: the batches that begin with one of them, by size.
    """

    samples: int = 0
    queued_ns: int = 0
    computed_ns: int = 0
    packed_ns: int = 0
    batches: Batches = dataclasses.field(default_factory=_no_batches)

    def add(self, effort: Effort) -> None:
        """Counts more of its samples, in the order in which they were asked for."""
        if not self.samples:
            self.queued_ns = _to_ns(effort.spent.queued_s)
        self.samples += effort.samples
        self.packed_ns += effort.packed_ns
        for batch in effort.spent.batches:
            batch_ns = _to_ns(batch.seconds)
            self.computed_ns += batch_ns
            if batch.begins:
                self.batches[batch.size].add(batch_ns)


@dataclasses.dataclass
class _Version:
    """What was asked of one version."""

    samples: int = 0
    last_ms: int = 0
    success: Duration = dataclasses.field(default_factory=Duration)
    fail: Duration = dataclasses.field(default_factory=Duration)
    queued: Duration = dataclasses.field(default_factory=Duration)
    read: Duration = dataclasses.field(default_factory=Duration)
    computed: Duration = dataclasses.field(default_factory=Duration)
    packed: Duration = dataclasses.field(default_factory=Duration)
    batches: Batches = dataclasses.field(default_factory=_no_batches)

    def add(self, request: Request, elapsed_ns: int, read_ns: int) -> None:
        """Counts a request that was answered."""
        self.samples += request.samples
        self.last_ms = time.time_ns() // _NS_PER_MS
        self.success.add(elapsed_ns)
        self.queued.add(request.queued_ns)
        self.read.add(read_ns)
        self.computed.add(request.computed_ns)
        self.packed.add(request.packed_ns)
        for size, batches in request.batches.items():
            self.batches[size].add(batches.ns, batches.count)


class Statistics:
    """The counts of all versions since the service has started; belongs to one event loop."""

    def __init__(self) -> None:
        self._versions: dict[str, _Version] = {}

    @property
    def names(self) -> set[str]:
        """Names of the versions that something was asked of."""
        return set(self._versions)

    @contextlib.contextmanager
    def measured(self, name: str, arrived_ns: int, read_ns: int) -> Iterator[Request]:
        """Counts a request as answered if the with block ends well, else as failed.

        Args:
            name: of the version.
            arrived_ns: when it came, by `time.perf_counter_ns`.
            read_ns: time that reading it took.
        """
        request = Request()
        try:
            yield request
        # Not an except clause for errors alone: a client that goes away counts as a failure, too.
        except BaseException:
            self.fail(name, arrived_ns)
            raise
        self._counts(name).add(request, time.perf_counter_ns() - arrived_ns, read_ns)

    def fail(self, name: str, arrived_ns: int) -> None:
        """Counts a request that was not answered."""
        self._counts(name).fail.add(time.perf_counter_ns() - arrived_ns)

    def to_proto(self, name: str) -> pb.ModelStatistics:
        """Makes the message of a version; one that nothing was asked of has zeros."""
        counts = self._versions.get(name) or _Version()
        model_id, version = from_resource(name)
        return pb.ModelStatistics(
            name=model_id,
            version=version,
            last_inference=counts.last_ms,
            inference_count=counts.samples,
            execution_count=sum(batches.count for batches in counts.batches.values()),
            inference_stats=pb.InferStatistics(
                success=counts.success.to_proto(),
                fail=counts.fail.to_proto(),
                queue=counts.queued.to_proto(),
                compute_input=counts.read.to_proto(),
                compute_infer=counts.computed.to_proto(),
                compute_output=counts.packed.to_proto(),
            ),
            batch_stats=[
                pb.InferBatchStatistics(batch_size=size, compute_infer=batches.to_proto())
                for size, batches in sorted(counts.batches.items())
            ],
        )

    def _counts(self, name: str) -> _Version:
        return self._versions.setdefault(name, _Version())


def _to_ns(seconds: float) -> int:
    return int(seconds * _NS_PER_S)
