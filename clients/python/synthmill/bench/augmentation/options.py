"""What is to be measured, and how long."""

from __future__ import annotations

import dataclasses

from synthmill.bench.arguments import require_numbers
from synthmill.bench.processes import check_process
from synthmill.bench.span import Span
from synthmill.runtime.errors import InvalidField

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""

DEFAULT_SPAN = Span()

_LONGEST_SIDE = 16_384
# An image must fit a message.
_MOST_PIXELS = 1 << 24
_SIZES = f"N, or HEIGHTxWIDTH, 1 to {_LONGEST_SIDE} pixels a side, {_MOST_PIXELS} in all"


@dataclasses.dataclass(frozen=True)
class Options:
    """What is to be measured, and how long.

    Attributes:
        shape: of the images, where no dataset gives them.
        dataset: its training records are augmented; empty if images are made.
        pool: dataset that records are mixed with; empty if the policy mixes none.
        streams: numbers of streams that run side by side.
        batches: numbers of records of a call.
        span: length of each measurement, where it counts things, in images.
        rounds: how often everything is measured.
        processes: processes that the streams come from.
        pid: process id of the service if it is on this machine: its processor time is then compared too.

    Raises:
        InvalidField: a value is not allowed.
    """

    shape: Shape = (224, 224, 3)
    dataset: str = ""
    pool: str = ""
    streams: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = (1, 8)
    span: Span = DEFAULT_SPAN
    rounds: int = 5
    processes: int = 1
    pid: int | None = None

    def __post_init__(self) -> None:
        require_numbers("--streams", self.streams)
        require_numbers("--batch", self.batches)
        height, width, channels = self.shape
        if not (1 <= min(height, width) <= max(height, width) <= _LONGEST_SIDE and height * width <= _MOST_PIXELS):
            raise InvalidField("--size", f"{height}x{width}", _SIZES)
        if channels not in (1, 3):
            raise InvalidField("--channels", channels, "1 or 3")
        if self.pid is not None:
            check_process(self.pid)

    @property
    def warm_s(self) -> float:
        """Time at the beginning of each measurement that does not count."""
        return min(0.5, self.span.seconds / 4)

    @property
    def pause_s(self) -> float:
        """Time between measurements, in which the service finishes what the last one left."""
        return min(0.2, self.span.seconds / 4)


def parse_size(text: str) -> tuple[int, int]:
    """Reads "224", or "32x48": height and width.

    Raises:
        InvalidField: it is neither.
    """
    height, cross, width = text.partition("x")
    try:
        return int(height), int(width if cross else height)
    except ValueError:
        raise InvalidField("--size", text, _SIZES) from None


def parse_shape(size: str | None, channels: int | None, dataset: str) -> Shape:
    """Returns the shape of the images that --size and --channels ask for, where they are left out that by default.

    Raises:
        InvalidField: the size is malformed, or there is a dataset, whose records have a shape.
    """
    for field, given in (("--size", size), ("--channels", channels)):
        if dataset and given is not None:
            raise InvalidField(field, given, "none with --dataset, whose records are taken as they are")
    height, width = Options.shape[:2] if size is None else parse_size(size)
    return height, width, Options.shape[2] if channels is None else channels


def parse_span(seconds: float | None, count: int | None) -> Span:
    """Returns the span that --seconds or --count asks for.

    Raises:
        InvalidField: both do.
    """
    if seconds is not None and count is not None:
        raise InvalidField("--count", count, "either --count or --seconds")
    return Span(DEFAULT_SPAN.seconds if seconds is None else seconds, count)
