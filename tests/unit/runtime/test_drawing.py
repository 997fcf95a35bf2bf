"""Samples are drawn into files, each once, whatever breaks meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from unit.client.fakes.faults import BREAK, END_EARLY
from unit.client.fakes.model import DIGEST, LABELS, MODEL, SHAPE
from unit.client.fakes.sampling import expected_columns
from unit.client.fakes.server import FakeServices, running_services

from synthmill.runtime.channels import connect_sync
from synthmill.runtime.drawing import PHASE, Wanted, draw_samples
from synthmill.runtime.errors import Cancelled, DataLoss, Unavailable
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

WANTED = Wanted(
    model=f"{MODEL}/versions/1",
    digest=DIGEST,
    seed=7,
    labels=LABELS,
    counts=[4000, 300, 1700],
    columns={"image": (np.dtype(np.uint8), SHAPE), "label": (np.dtype(np.int64), ())},
)
BLOCK = 4096


@pytest.fixture
def services() -> Iterator[FakeServices]:
    with running_services() as services:
        yield services


@pytest.fixture
def stub(services) -> Iterator[SamplingServiceStub]:
    with connect_sync(services.addresses["sampling"]) as channel:
        yield SamplingServiceStub(channel)


def draw(stub, folder: Path, wanted: Wanted = WANTED, report=lambda *_: None, patience_s: float = 20.0):
    paths = draw_samples(stub, wanted, folder, patience_s=patience_s, report=report, check=lambda: None)
    return {name: np.load(path) for name, path in paths.items()}


def expected() -> dict[str, np.ndarray]:
    labels = np.repeat(np.arange(len(LABELS)), WANTED.counts)
    return expected_columns(WANTED.seed, np.arange(WANTED.total), labels)


def assert_complete(drawn: dict[str, np.ndarray]) -> None:
    assert set(drawn) == {"image", "label"}
    for name, array in expected().items():
        np.testing.assert_array_equal(drawn[name], array)


def test_each_class_has_its_number_of_samples(stub, services, tmp_path):
    reports = []
    assert_complete(draw(stub, tmp_path / "samples", report=lambda *told: reports.append(told)))
    assert reports[0] == (PHASE, 0, 6000)
    assert reports[-1] == (PHASE, 6000, 6000)
    assert [request.start_index for request in services.sampling.requests] == [0, BLOCK]
    assert {request.model for request in services.sampling.requests} == {WANTED.model}


def test_a_stream_that_breaks_goes_on_where_it_was(stub, services, tmp_path):
    services.sampling.faults.plan = [(3, BREAK), (0, BREAK), (5, END_EARLY)]
    assert_complete(draw(stub, tmp_path))
    starts = [request.start_index for request in services.sampling.requests]
    assert starts == sorted(starts)
    assert 0 < starts[1] == starts[2] < starts[3] < BLOCK


def test_another_attempt_goes_on_after_what_was_noted(stub, services, tmp_path):
    def stop(phase: str, done: int, total: int) -> None:
        if done > 5000:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        draw(stub, tmp_path, report=stop)
    services.sampling.requests.clear()
    reports = []
    assert_complete(draw(stub, tmp_path, report=lambda *told: reports.append(told)))
    assert [request.start_index for request in services.sampling.requests] == [BLOCK]
    assert reports[0] == (PHASE, BLOCK, 6000)
    services.sampling.requests.clear()
    assert_complete(draw(stub, tmp_path))
    assert services.sampling.requests == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"digest": "0" * 64}, "came, not of 0000"),
        ({"columns": {**WANTED.columns, "image": (np.dtype(np.uint8), (6, 6, 1))}}, "column 'image'"),
        ({"columns": {**WANTED.columns, "sound": (np.dtype(np.int16), (9,))}}, "column 'sound'"),
    ],
    ids=["other-digest", "other-shape", "other-column"],
)
def test_samples_that_are_not_those_asked_for_are_refused(stub, tmp_path, changes, problem):
    with pytest.raises(DataLoss, match=problem):
        draw(stub, tmp_path, dataclasses.replace(WANTED, **changes))


def test_a_service_that_stays_away_is_waited_for_so_long_and_no_longer(tmp_path):
    with connect_sync("127.0.0.1:1") as channel, pytest.raises(Unavailable):
        draw(SamplingServiceStub(channel), tmp_path, patience_s=0.5)
