"""Files made to do harm: each is refused by name, the service lives on, and no process takes much memory for it."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.hostile import archives, arrays, graphs, pictures
from fuzz.hostile.case import Case
from unit.catalog.calls import Calls

from support.cluster import Cluster
from support.memory import MemoryWatch
from synthmill.catalog.importing.source import read_source
from synthmill.kinds.image.parameters import ImageImport
from synthmill.kinds.registry import get_kind
from synthmill.learning.graph.wrap import wrap_foreign
from synthmill.runtime.errors import BY_REASON, BadGraph
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import job_pb2

BOMBS = {**archives.BOMBS, **arrays.BOMBS, **graphs.BOMBS}
MIXED = {**archives.MIXED, **pictures.MIXED}
MALFORMED = {**archives.MALFORMED, **arrays.MALFORMED}

MIXED_MB = 400
"""What no process takes more of, in MiB, for an archive with hostile members."""

SERVICE_MB = 300
"""What the service itself never has more of in memory; its workers read the files."""

_FLAGS = ["--concurrent-jobs", "2", "--job-memory-mb", "1024", "--trial-s", "2"]
_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What became of a hostile file, and the most memory that a process took in its round."""

    job: job_pb2.Job
    peak_mb: float


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("hostile")
    cluster = Cluster(folder, allowed_roots=[folder])
    cluster.add("catalog", flags=_FLAGS)
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def calls(cluster) -> Iterator[Calls]:
    calls = Calls(cluster.address("catalog"))
    yield calls
    calls.close()


@pytest.fixture(scope="module")
def attempts(cluster, calls) -> dict[str, Attempt]:
    """All files at once, two at a time; those that may take more memory after the others."""
    found: dict[str, Attempt] = {}
    for limit_mb in sorted({case.memory_mb for case in BOMBS.values()}):
        with MemoryWatch(cluster.services["catalog"].pid) as watch:
            begun = {
                name: begin(calls, cluster.folder, name, case)
                for name, case in BOMBS.items()
                if case.memory_mb == limit_mb
            }
            ended = {name: calls.finish(job) for name, job in begun.items()}
        found |= {name: Attempt(job, max(watch.peaks.values())) for name, job in ended.items()}
    return found


def begin(calls: Calls, root: Path, name: str, case: Case) -> job_pb2.Job:
    """Asks for the import of a file."""
    if case.file_name.endswith(".onnx"):
        return calls.catalog.ImportModel(pieces(name, case.make()))
    path = Path(tempfile.mkdtemp(dir=root)) / case.file_name
    path.write_bytes(case.make())
    return calls.start_import(name, path)


def pieces(name: str, data: bytes) -> Iterator[pb.ImportModelRequest]:
    yield pb.ImportModelRequest(header=pb.ImportModelHeader(model=name, kind="image"))
    for start in range(0, len(data), _PIECE_BYTES):
        yield pb.ImportModelRequest(data=data[start : start + _PIECE_BYTES])


@pytest.mark.parametrize("name", BOMBS)
def test_file_that_would_unpack_to_much_is_refused_by_name(attempts, name):
    case, attempt = BOMBS[name], attempts[name]
    assert job_pb2.JobState.Name(attempt.job.state) == "JOB_STATE_FAILED"
    error = attempt.job.error
    assert error.reason == case.reason, error
    assert case.told in error.message
    assert error.metadata["field"] or case.reason == "BAD_GRAPH"
    assert attempt.peak_mb <= case.memory_mb


@pytest.mark.parametrize("name", MIXED)
def test_hostile_members_are_dropped_by_name_and_the_rest_is_kept(calls, cluster, name):
    make, expected = MIXED[name]
    (cluster.folder / name).write_bytes(make())
    with MemoryWatch(cluster.services["catalog"].pid) as watch:
        dataset = calls.import_dataset(name.replace(".", "-"), cluster.folder / name)
    assert {source: reason for source, (reason, dropped) in calls.reasons(dataset).items() if dropped} == expected
    assert max(watch.peaks.values()) <= MIXED_MB


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_file_is_refused_with_what_is_wrong(name, tmp_path):
    case = MALFORMED[name]
    source = tmp_path / case.file_name
    source.write_bytes(case.make())
    with pytest.raises(BY_REASON[case.reason]) as refusal:
        read_source(get_kind("image"), ImageImport(), source, "", tmp_path, lambda _seen: None)
    assert case.told in refusal.value.message
    assert refusal.value.metadata["field"]


@pytest.mark.parametrize("name", graphs.MALFORMED)
def test_malformed_graph_is_refused_with_what_is_wrong(name):
    case = graphs.MALFORMED[name]
    with pytest.raises(BadGraph, match=re.escape(case.told)):
        wrap_foreign(case.make(), kind="image")


def test_nothing_of_them_is_published(attempts, calls):
    found = calls.catalog.ListDatasets(pb.ListDatasetsRequest()).datasets
    assert not {dataset.name.split("/")[1] for dataset in found} & set(BOMBS)
    assert not calls.catalog.ListModels(pb.ListModelsRequest()).models


def test_service_has_lived_through_them_all(attempts, calls, cluster):
    service = cluster.services["catalog"]
    with MemoryWatch(service.pid) as watch:
        calls.catalog.ListDatasets(pb.ListDatasetsRequest())
        while not watch.peaks:
            pass
    assert watch.peaks[service.pid] <= SERVICE_MB
    log = service.log_tail(10_000_000)
    assert '"exception"' not in log, log[-3000:]
    assert not Path("/tmp/synthmill-was-here").exists()
