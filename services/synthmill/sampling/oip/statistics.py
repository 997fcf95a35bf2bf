"""Counts and times of the requests by model version, as the protocol reports them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from synthmill.oip.v1 import statistics_pb2 as pb
from synthmill.sampling.oip.names import from_resource

_NS_PER_MS = 1_000_000


@dataclasses.dataclass
class Duration:
    """How often, and how long altogether in nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Counts one more."""
        self.count += 1
        self.ns += ns

    def to_proto(self) -> pb.StatisticDuration:
        """Makes the message."""
        return pb.StatisticDuration(count=self.count, ns=self.ns)


@dataclasses.dataclass
class Request:
    """What one request has cost so far; filled in while it is answered.

    Attributes:
        samples: samples sent.
        responses: responses with samples.
        waited_ns: waiting for samples.
        packed_ns: making responses of them.
    """

    samples: int = 0
    responses: int = 0
    waited_ns: int = 0
    packed_ns: int = 0

    def add(self, samples: int, elapsed_ns: int, packed_ns: int) -> None:
        """Counts a response.

        Args:
            samples: samples in it.
            elapsed_ns: time from asking for it to having it.
            packed_ns: the part of that in which it was made of the samples.
        """
        self.samples += samples
        self.responses += 1
        self.packed_ns += packed_ns
        # A stream's samples are made ahead, so that packing may have ended before the wait began.
        self.waited_ns += max(0, elapsed_ns - packed_ns)


@dataclasses.dataclass
class _Version:
    """What was asked of one version."""

    samples: int = 0
    responses: int = 0
    last_ms: int = 0
    success: Duration = dataclasses.field(default_factory=Duration)
    fail: Duration = dataclasses.field(default_factory=Duration)
    read: Duration = dataclasses.field(default_factory=Duration)
    waited: Duration = dataclasses.field(default_factory=Duration)
    packed: Duration = dataclasses.field(default_factory=Duration)


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
        counts = self._counts(name)
        counts.success.add(time.perf_counter_ns() - arrived_ns)
        counts.read.add(read_ns)
        counts.waited.add(request.waited_ns)
        counts.packed.add(request.packed_ns)
        counts.samples += request.samples
        counts.responses += request.responses
        counts.last_ms = time.time_ns() // _NS_PER_MS

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
            execution_count=counts.responses,
            inference_stats=pb.InferStatistics(
                success=counts.success.to_proto(),
                fail=counts.fail.to_proto(),
                compute_input=counts.read.to_proto(),
                compute_infer=counts.waited.to_proto(),
                compute_output=counts.packed.to_proto(),
            ),
        )

    def _counts(self, name: str) -> _Version:
        return self._versions.setdefault(name, _Version())
