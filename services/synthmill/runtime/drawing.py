"""Draws a model's samples from the sampling service into files.

A sample is a function of its address, so whatever breaks, the drawing goes on where it was: a stream at the first index
that has not arrived, another attempt at the job after the last block that was noted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from synthmill.runtime.errors import DataLoss, Unavailable
from synthmill.runtime.jobs.publication import ask_patiently, write_durably
from synthmill.runtime.tensors import from_batch
from synthmill.v1 import label_plan_pb2
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

PHASE = "drawing samples"

_NOTE = "drawn.json"
# Drawn by one call, after which it is noted that they are there.
_BLOCK_SAMPLES = 4096
_BLOCK_DEADLINE_S = 600.0

Specs = Mapping[str, tuple[np.dtype, tuple[int, ...]]]
"""Dtype and shape of one sample's part, by column name."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Samples to draw.

    Attributes:
        model: "models/{model}/versions/{n}".
        digest: of it.
        seed: in [0, 2^64).
        labels: class names; empty without classes.
        counts: samples of each class, or in all without classes.
        columns: of one sample, the label among them if there are classes.
        filter: which of several candidates each sample is; None takes samples as they come.
    """

    model: str
    digest: str
    seed: int
    labels: Sequence[str]
    counts: Sequence[int]
    columns: Specs
    filter: pb.SampleFilter | None = None

    @property
    def total(self) -> int:
        """Number of samples."""
        return sum(self.counts)

    def request(self, start: int, count: int) -> pb.StreamSamplesRequest:
        """Returns the request for a part of them."""
        request = pb.StreamSamplesRequest(model=self.model, seed=self.seed, start_index=start, count=count)
        if self.filter is not None:
            request.filter.CopyFrom(self.filter)
        if self.labels:
            counts = dict(zip(self.labels, self.counts, strict=True))
            request.label_plan.counts.CopyFrom(label_plan_pb2.LabelCounts(counts=counts))
        return request


def draw_samples(
    stub: SamplingServiceStub,
    wanted: Wanted,
    folder: Path,
    *,
    patience_s: float,
    report: Callable[[str, int, int], None],
    check: Callable[[], None],
) -> dict[str, Path]:
    """Draws samples and returns the .npy file of each column.

    Args:
        stub: of the sampling service.
        wanted: what to draw.
        folder: of this drawing alone; a later call with the same one goes on where this one ended.
        patience_s: how long to wait for a service that cannot be reached or is overloaded, in seconds.
        report: told of the phase, of the samples drawn, and of all that there are to draw.
        check: called now and then; raises to stop.

    Raises:
        Unavailable, DeadlineExceeded, Overloaded: the service gave nothing for as long as `patience_s`.
        DataLoss: what came is not what was asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = _Files(folder, wanted)
    report(PHASE, files.drawn, wanted.total)
    while files.drawn < wanted.total:
        end = min(files.drawn + _BLOCK_SAMPLES, wanted.total)
        ask_patiently(lambda end=end: _draw(stub, wanted, files, end, report), patience_s, check)
        files.note()
    return files.paths


def _draw(
    stub: SamplingServiceStub, wanted: Wanted, files: _Files, end: int, report: Callable[[str, int, int], None]
) -> None:
    """Draws what is missing up to an index, with one call."""
    call = stub.StreamSamples(wanted.request(files.drawn, end - files.drawn), timeout=_BLOCK_DEADLINE_S)
    try:
        for chunk in call:
            files.add(chunk)
            report(PHASE, files.drawn, wanted.total)
    finally:
        call.cancel()
    if files.drawn < end:
        raise Unavailable(f"the stream of {wanted.model} ended before its time")


class _Files:
    """The columns of the samples, each an array in a file.

    Attributes:
        paths: file by column.
        drawn: number of samples that are there.
    """

    def __init__(self, folder: Path, wanted: Wanted) -> None:
        self.paths = {name: folder / f"{name}.npy" for name in wanted.columns}
        self._wanted, self._note = wanted, folder / _NOTE
        self.drawn: int = json.loads(self._note.read_bytes())["drawn"] if self._note.exists() else 0
        mode = "r+" if self._note.exists() else "w+"
        self._arrays = {
            name: open_memmap(self.paths[name], mode, dtype, (wanted.total, *shape))
            for name, (dtype, shape) in wanted.columns.items()
        }
        if mode == "w+":
            self.note()

    def add(self, chunk: pb.SampleChunk) -> None:
        """Takes the next samples.

        Raises:
            DataLoss: they are not the next ones, or not of the model.
        """
        wanted = self._wanted
        if chunk.model_digest != wanted.digest:
            raise DataLoss(f"{wanted.model}: samples of the model {chunk.model_digest} came, not of {wanted.digest}")
        rows = slice(self.drawn, self.drawn + chunk.count)
        if chunk.first_index != rows.start or not rows.start < rows.stop <= wanted.total:
            raise DataLoss(f"{wanted.model}: samples {chunk.first_index} came where {rows.start} were expected")
        columns = from_batch(chunk.batch)
        for name, array in self._arrays.items():
            found = columns.get(name)
            if found is None or (found.dtype, found.shape) != (array.dtype, (chunk.count, *array.shape[1:])):
                raise DataLoss(f"{wanted.model}: the column {name!r} is not what the dataset has under that name")
            array[rows] = found
        self.drawn = rows.stop

    def note(self) -> None:
        """Makes sure that what is there will be there whatever happens."""
        for array in self._arrays.values():
            array.flush()
        write_durably(self._note, json.dumps({"drawn": self.drawn}).encode())
