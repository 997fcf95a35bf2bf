"""What cannot be connected to is refused at once, by name; Ray itself would wait for minutes."""

from __future__ import annotations

import sys
import time

import pytest

from support.processes import free_port
from synthmill.runtime.errors import FailedPrecondition, InvalidField, Unavailable
from synthmill.runtime.executors.cluster import connected
from synthmill.runtime.executors.names import check_executor


def test_an_executor_that_there_is_not_is_refused():
    with pytest.raises(InvalidField, match="executor: got 'slurm', allowed: one of local, ray"):
        check_executor("slurm")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert check_executor("local") == "local"
    with pytest.raises(FailedPrecondition, match=r"pip install 'synthmill\[ray\]'") as refusal:
        check_executor("ray")
    assert refusal.value.metadata["field"] == "executor"
    with pytest.raises(FailedPrecondition, match="not installed"), connected("127.0.0.1:6379"):
        pass


@pytest.mark.parametrize("address", ["6379", "ray://head:10001", "head:port", "local"])
def test_a_malformed_address_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(InvalidField, match=r"ray_address: .*allowed: host:port"), connected(address):
        pass


def test_an_address_where_nothing_answers_is_told_at_once(monkeypatch):
    pytest.importorskip("ray")
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=f"ray_address: no Ray cluster at {address}"), connected():
        pass
    assert time.monotonic() - began < 10
