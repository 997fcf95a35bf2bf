"""Mutated requests to every method of real services: answers and typed errors, no crash, no fault, no growth.

The number that requests are drawn from is printed, and SYNTHMILL_FUZZ_SEED sets it: the same number means the same
requests. Those that find a fault are written to `seeds/`, and sent again whenever the tests run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.calling import Caller, Outcome
from fuzz.corpus import keep, kept
from fuzz.drawing import batches
from fuzz.filling import fill_world
from fuzz.judging import fault_in, faults_in
from fuzz.methods import Method, all_methods
from fuzz.strategies import Request, requests
from fuzz.world import World, running_world
from google.protobuf.message import DecodeError

from support.memory import resident_mb

SEED = int(os.environ.get("SYNTHMILL_FUZZ_SEED", "20"))
COUNT = int(os.environ.get("SYNTHMILL_FUZZ_COUNT", "100000"))
FAST_COUNT = 3000
BATCH = 500
GROWTH_MB = 64
"""What a service may take more in the second half of the requests, in MiB."""

_SETTLED_S = 1.0
# Each of these may begin a worker, or does not end by itself.
_DEAR = ("Create", "Resume", "Import", "Upload", "Watch")
_DELETING = ("DeleteDataset", "DeleteModel", "DeletePolicy")
_SPARED = ("datasets/digits", "models/tiny", "models/judged", "policies/mild")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("fuzz")) as world:
        fill_world(world)
        yield world


@pytest.fixture(scope="module")
def caller(world) -> Iterator[Caller]:
    caller = Caller(world.addresses)
    yield caller
    caller.close()


def test_every_method_has_a_valid_request(world):
    lacking = {method.path for method in world.methods} - set(world.valid)
    assert {path.rpartition("/")[2] for path in lacking} <= {
        *("ServerLive", "ServerReady", "ServerMetadata", "ListFamilies", "ListThresholds", "ListLoadedModels", "Watch"),
        *("RepositoryIndex", "SystemSharedMemoryStatus", "SystemSharedMemoryUnregister", "List"),
        *("CudaSharedMemoryStatus", "CudaSharedMemoryUnregister"),
    }


@pytest.mark.parametrize("name", kept(all_methods()))
def test_request_that_found_a_fault_finds_none_any_more(world, caller, name):
    assert not fault_in(caller.send(kept(world.methods)[name]))
    assert not _told_faults(world)


def test_mutated_requests_are_answered_or_refused(world, caller):
    assert not _faults_of(world, caller, SEED, FAST_COUNT)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_very_many_mutated_requests_are_answered_or_refused(world, caller):
    assert not _faults_of(world, caller, SEED + 1_000_000, COUNT)


@dataclasses.dataclass
class _Tally:
    """What has become of the requests so far."""

    codes: Counter[str] = dataclasses.field(default_factory=Counter)
    faults: list[str] = dataclasses.field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.codes[outcome.code.name] += 1
        if fault := fault_in(outcome):
            path = keep(outcome.request, fault)
            self.faults.append(f"{outcome.request.method.path}: {fault}; kept in {path.name}")


def _faults_of(world: World, caller: Caller, seed: int, count: int) -> list[str]:
    """Sends requests and returns what was wrong: with answers, in logs, and with memory."""
    print(f"SYNTHMILL_FUZZ_SEED={seed}, {count} requests")
    pids, tally, before, sent = world.pids, _Tally(), {}, 0
    strategy = requests(_weighted(world.methods), world.valid, tuple(world.names))
    with contextlib.closing(batches(strategy, seed, BATCH)) as drawn:
        while sent < count:
            found = [each for each in next(drawn) if not _spoils(each)][: count - sent]
            for outcome in caller.send_all(found):
                tally.add(outcome)
            sent += len(found)
            world.cancel_jobs()
            assert world.pids == pids
            if not before and sent >= count / 2:
                before = _resident(world)
    after = _resident(world)
    print(dict(tally.codes), {name: f"{before[name]:.0f} -> {after[name]:.0f} MiB" for name in after})
    grown = [
        f"{name}: {after[name] - before[name]:.0f} MiB more" for name in after if after[name] - before[name] > GROWTH_MB
    ]
    return [*sorted(tally.faults)[:50], *_told_faults(world), *grown]


def _weighted(methods: list[Method]) -> list[Method]:
    return [method for method in methods for _ in range(1 if method.name.startswith(_DEAR) else 4)]


def _spoils(request: Request) -> bool:
    """Returns whether a request deletes what the valid requests need."""
    if request.method.name not in _DELETING:
        return False
    try:
        return request.method.request.FromString(request.messages[0]).name.startswith(_SPARED)
    except DecodeError:
        return False


def _resident(world: World) -> dict[str, float]:
    gc.collect()
    time.sleep(_SETTLED_S)
    return {name: resident_mb(pid) for name, pid in world.pids.items()}


def _told_faults(world: World) -> list[str]:
    return [
        f"{name}: {line[:1500]}"
        for name, process in world.cluster.services.items()
        for line in faults_in(Path(world.cluster.folder / f"{name}.log").read_text(errors="replace"))
    ]
