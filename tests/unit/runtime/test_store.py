"""The object store: what is put is what is read, or a named error."""

from __future__ import annotations

import threading

import pytest

from synthmill.runtime.errors import DataLoss, InvalidField
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.v1 import artifact_pb2

DATA = bytes(range(256)) * 5000


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path) -> ObjectStore:
    url = str(tmp_path / "objects") if request.param == "local" else f"memory://{tmp_path}"
    return ObjectStore(url, cache=tmp_path / "cache")


def object_files(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_is_read_back_every_way(store):
    artifact = store.put_bytes(DATA, "data.bin", "application/x-data")
    assert (artifact.name, artifact.size_bytes, artifact.media_type) == ("data.bin", len(DATA), "application/x-data")
    assert store.get_bytes(artifact) == DATA
    assert b"".join(store.read_chunks(artifact, 1000, 333)) == DATA[1000:]
    assert store.local_path(artifact).read_bytes() == DATA
    store.verify(artifact)


def test_empty_file_is_a_file(store):
    artifact = store.put_bytes(b"", "nothing")
    assert store.get_bytes(artifact) == b""


def test_same_content_is_stored_once(tmp_path):
    store = ObjectStore(str(tmp_path))
    first, second = (store.put_bytes(DATA, name) for name in ("a", "b"))
    assert first.uri == second.uri
    assert len(object_files(tmp_path)) == 1


def test_many_writers_of_the_same_content_leave_one_whole_file(tmp_path):
    store = ObjectStore(str(tmp_path))
    threads = [threading.Thread(target=store.put_bytes, args=(DATA, "data")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = object_files(tmp_path)
    assert file.read_bytes() == DATA


@pytest.mark.parametrize("way", ["get_bytes", "local_path", "verify", "from_the_middle"])
def test_flipped_bit_is_told_by_name(tmp_path, way):
    store = ObjectStore(str(tmp_path))
    artifact = store.put_bytes(DATA, "sampler.onnx")
    (file,) = object_files(tmp_path)
    damaged = bytearray(DATA)
    damaged[77] ^= 1
    file.write_bytes(damaged)
    read = {"from_the_middle": lambda given: list(store.read_chunks(given, 100))}.get(way) or getattr(store, way)
    with pytest.raises(DataLoss, match=r"sampler\.onnx: the stored bytes") as caught:
        read(artifact)
    assert caught.value.metadata["uri"] == artifact.uri


@pytest.mark.parametrize("way", ["get_bytes", "local_path", "verify"])
def test_deleted_file_is_told_by_name(store, way):
    artifact = store.put_bytes(DATA, "sampler.onnx")
    store.delete(artifact)
    store.delete(artifact)
    assert not store.exists(artifact)
    with pytest.raises(DataLoss, match=r"sampler\.onnx: missing"):
        getattr(store, way)(artifact)


def test_artifact_survives_the_wire():
    artifact = Artifact("a", "store://sha256/" + "0" * 64, "0" * 64, 7, "text/plain")
    assert Artifact.from_proto(artifact.to_proto()) == artifact


@pytest.mark.parametrize(
    ("uri", "sha256", "field"),
    [
        ("store://sha256/" + "0" * 64, "../../etc/passwd", "artifact.sha256"),
        ("file:///etc/passwd", "0" * 64, "artifact.uri"),
        ("store://sha256/" + "1" * 64, "0" * 64, "artifact.uri"),
    ],
)
def test_malformed_artifact_is_refused(uri, sha256, field):
    with pytest.raises(InvalidField) as caught:
        Artifact.from_proto(artifact_pb2.Artifact(name="a", uri=uri, sha256=sha256))
    assert caught.value.metadata["field"] == field
