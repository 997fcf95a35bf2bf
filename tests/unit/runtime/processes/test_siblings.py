"""Calls that mean the whole service, whichever process takes them."""

from __future__ import annotations

import os
import signal

import pytest

from support.processes import PATIENCE_S, until
from synthmill.runtime.errors import Internal, NotFound
from synthmill.v1 import catalog_service_pb2 as pb


def listed(stub, **metadata: str) -> list[tuple[int, str]]:
    """Returns the process ids in the order of the answer, and the request ids that they have seen."""
    answer = stub.ListDatasets(pb.ListDatasetsRequest(), timeout=PATIENCE_S, metadata=tuple(metadata.items()))
    return [(int(dataset.name), dataset.kind) for dataset in answer.datasets]


def test_shared_method_is_answered_by_all_and_by_the_one_that_was_asked_first(toy):
    pids = set(toy.pids().values())
    asked = set()
    for _ in range(12):
        with toy.stub() as stub:
            mine = int(stub.GetDataset(pb.GetDatasetRequest(), timeout=PATIENCE_S).name)
            found = listed(stub)
        assert found[0][0] == mine
        assert {pid for pid, _ in found} == pids
        assert len(found) == 2
        asked.add(mine)
    assert asked == pids


def test_request_id_goes_along(toy):
    with toy.stub() as stub:
        assert {given for _, given in listed(stub, **{"x-request-id": "mine"})} == {"mine"}


def test_calls_that_were_passed_on_are_not_counted_as_calls(toy):
    name = ("synthmill_requests_total", "0"), ("synthmill_requests_total", "1")
    before = sum(toy.metrics()[each] for each in name)
    with toy.stub() as stub:
        listed(stub)
    assert sum(toy.metrics()[each] for each in name) == before + 1


def test_error_of_one_process_is_that_of_the_call_only_where_all_must_succeed(toy):
    pids = list(toy.pids().values())
    for pid in pids:
        with toy.stub() as stub:
            request = str(pid)
            other = next(each for each in pids if each != pid)
            assert stub.GetModel(pb.GetModelRequest(name=request), timeout=PATIENCE_S).name == str(other)
            with pytest.raises(NotFound, match=f"nothing in {pid}"):
                stub.PromoteModel(pb.PromoteModelRequest(name=request), timeout=PATIENCE_S)


def test_error_of_all_processes_is_that_of_the_one_that_was_asked(toy):
    with toy.stub() as stub:
        mine = stub.GetDataset(pb.GetDatasetRequest(), timeout=PATIENCE_S).name
        with pytest.raises(NotFound, match=f"nothing in {mine}"):
            stub.GetModel(pb.GetModelRequest(name="all"), timeout=PATIENCE_S)


def test_fault_is_told_without_its_inside(toy):
    with toy.stub() as stub, pytest.raises(Internal) as caught:
        stub.GetModel(pb.GetModelRequest(name="nobody"), timeout=PATIENCE_S)
    assert "secret" not in str(caught.value)


def test_process_that_is_not_there_has_no_say_until_it_is_back(start, tmp_path):
    broken = tmp_path / "broken"
    toy = start("--broken", str(broken))
    pids = toy.pids()
    broken.touch()
    os.kill(pids[0], signal.SIGKILL)
    with toy.stub() as stub:
        assert [pid for pid, _ in listed(stub)] == [pids[1]]
        assert stub.PromoteModel(pb.PromoteModelRequest(), timeout=PATIENCE_S).name == str(pids[1])
        broken.unlink()
        until(lambda: toy.metrics()["synthmill_process_up", "0"])
        assert {pid for pid, _ in listed(stub)} == set(toy.pids().values())
