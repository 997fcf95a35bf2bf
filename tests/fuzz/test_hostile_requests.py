"""Requests made to do harm: paths that reach outside, messages that are too large or unpack to it, and none at all."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from unit.catalog.calls import Calls, make_spec

from support.cluster import Cluster
from support.memory import resident_mb
from synthmill.runtime.errors import InvalidField, PermissionDenied, SynthmillError
from synthmill.runtime.status import DETAILS_KEY
from synthmill.v1 import catalog_service_pb2 as pb

GET, UPLOAD = "/synthmill.v1.CatalogService/GetDataset", "/synthmill.v1.CatalogService/UploadDataset"
LIMIT_BYTES = 4 << 20
GROWTH_MB = 64
"""What the service may take more, in MiB, whatever the messages unpack to."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("requests")
    (folder / "sources").mkdir()
    cluster = Cluster(folder, allowed_roots=[folder / "sources"])
    cluster.add("catalog")
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def calls(cluster) -> Iterator[Calls]:
    calls = Calls(cluster.address("catalog"))
    yield calls
    calls.close()


@pytest.fixture(scope="module")
def channel(cluster) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(cluster.address("catalog"), [("grpc.max_send_message_length", -1)]) as channel:
        yield channel


@pytest.mark.parametrize(
    "uri",
    [
        *("/etc/passwd", "/", "/dev/zero", "/proc/self/environ", "file:///etc/passwd", "file:///%2e%2e/etc/passwd"),
        *("{root}/../catalog.log", "{root}/..", "{root}/../sources-beside", "{root}/link/passwd", "/" + "x" * 5000),
    ],
)
def test_source_outside_the_allowed_roots_is_refused_whether_it_is_there_or_not(calls, cluster, uri):
    root = cluster.folder / "sources"
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("/etc")
    with pytest.raises(PermissionDenied) as refusal:
        calls.start_import("stolen", uri.replace("{root}", str(root)))
    assert refusal.value.metadata["field"] == "source_uri"


@pytest.mark.parametrize(
    "uri",
    [
        *("", "a\0b", "http://localhost/a.npz", "s3://bucket/a.npz", "file://host/a.npz", "{root}/loop", "{root}/pipe"),
        *("{root}/gone.npz", "{root}/" + "x" * 5000, "{root}/" + "a/" * 3000),
    ],
)
def test_source_that_cannot_be_read_is_an_invalid_field(calls, cluster, uri):
    root = cluster.folder / "sources"
    if not (root / "loop").is_symlink():
        (root / "loop").symlink_to(root / "loop")
        os.mkfifo(root / "pipe")
    with pytest.raises(InvalidField) as refusal:
        calls.start_import("stolen", uri.replace("{root}", str(root)))
    assert refusal.value.metadata["field"] == "source_uri"


@pytest.mark.parametrize("name", ["", "..", "../a", "a/../b", "/etc", "a\0", "A", "é", "a" * 64, "a\n", "-a"], ids=repr)
def test_name_of_a_dataset_that_is_a_path_is_an_invalid_field(calls, name):
    with pytest.raises(InvalidField) as refusal:
        calls.catalog.UploadDataset(iter([pb.UploadDatasetRequest(header={"spec": make_spec(name)})]))
    assert refusal.value.metadata["field"] == "spec.dataset"


@pytest.mark.parametrize("artifact", ["../catalog.db", "/etc/passwd", "a\0", "", "x" * 100_000], ids=lambda a: a[:20])
def test_name_of_a_file_that_is_a_path_finds_nothing(calls, artifact):
    with pytest.raises(SynthmillError) as refusal:
        list(calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner="datasets/a/versions/1", artifact=artifact)))
    assert refusal.value.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


def test_message_over_the_limit_is_refused(channel, cluster):
    assert refused(channel, GET, bytes(LIMIT_BYTES + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("times", [10, 100])
def test_compressed_message_that_unpacks_beyond_the_limit_is_refused_before_it_does(channel, cluster, times):
    pid = cluster.services["catalog"].pid
    before_mb = resident_mb(pid, "VmHWM")
    # A thousandth of it travels.
    data = bytes(times * LIMIT_BYTES)
    assert len(gzip.compress(data, 1)) < LIMIT_BYTES
    code = refused(channel, GET, data, compression=grpc.Compression.Gzip)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert resident_mb(pid, "VmHWM") - before_mb <= GROWTH_MB


@pytest.mark.parametrize(
    "data",
    [
        *(b"\xff" * 10, b"\x0a\x7f" + b"x", b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 200),
        struct.pack("<I", 7),
    ],
    ids=["noise", "cut", "no-text", "endless", "deep", "numbers"],
)
@pytest.mark.parametrize("path", [GET, UPLOAD, "/grpc.health.v1.Health/Check"])
def test_bytes_that_are_no_message_are_bad_data(channel, path, data):
    call = channel.stream_unary(path) if path == UPLOAD else channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as refusal:
        call(iter([data]) if path == UPLOAD else data, timeout=20)
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(refusal.value).reason == "BAD_DATA"
    assert details_of(refusal.value).metadata["field"] == "request"


def test_service_has_lived_through_it_all(calls, cluster):
    assert not calls.catalog.ListDatasets(pb.ListDatasetsRequest()).datasets
    log = cluster.services["catalog"].log_tail(10_000_000)
    assert '"exception"' not in log, log[-3000:]


def refused(channel: grpc.Channel, path: str, data: bytes, **options: object) -> grpc.StatusCode:
    """Returns the code that a message is refused with."""
    with pytest.raises(grpc.RpcError) as refusal:
        channel.unary_unary(path)(data, timeout=60, **options)
    return refusal.value.code()


def details_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """Returns what a service tells of an error."""
    info = error_details_pb2.ErrorInfo()
    packed = dict(error.trailing_metadata())[DETAILS_KEY]
    status_pb2.Status.FromString(packed).details[0].Unpack(info)
    return info
