"""The object store: what is put is what is read, or a named error."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from support.s3 import S3Server
from synthmill.runtime.errors import DataLoss, InvalidField
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.v1 import artifact_pb2

DATA = bytes(range(256)) * 5000
# More than two of the parts in which a large object is fetched, and no multiple of one.
LARGE = os.urandom(1 << 16) * 300 + b"the end"


class Home:
    """Where a store keeps its files.

    Attributes:
        url: of the store.
        folder: for the local copies of its processes.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def open(self, cache: str = "cache", **settings: int) -> ObjectStore:
        """Opens the store as another process would."""
        return ObjectStore(self.url, self.folder / cache, **settings)


class FileSystemHome(Home):
    """A folder, or the memory of this process."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self._filesystem, self._root = fsspec.core.url_to_fs(url)

    def files(self) -> dict[str, bytes]:
        """Returns the content of everything in the store by path."""
        return {path: self._filesystem.cat_file(path) for path in self._filesystem.find(self._root)}

    def write(self, path: str, data: bytes) -> None:
        """Overwrites a file behind the store's back."""
        self._filesystem.pipe_file(path, data)


class BucketHome(Home):
    """A bucket of its own."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self._server, self._bucket = server, server.make_bucket()
        super().__init__(f"s3://{self._bucket}/a/prefix", folder)

    def files(self) -> dict[str, bytes]:
        """Returns the content of everything in the bucket by key."""
        client, bucket = self._server.client, self._bucket
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in self._server.keys(bucket)}

    def write(self, key: str, data: bytes) -> None:
        """Overwrites an object behind the store's back."""
        self._server.client.put_object(Bucket=self._bucket, Key=key, Body=data)


@pytest.fixture(params=["folder", "memory", "s3"])
def home(request, tmp_path) -> FileSystemHome | BucketHome:
    if request.param == "s3":
        return BucketHome(request.getfixturevalue("s3"), tmp_path)
    return FileSystemHome(str(tmp_path / "objects") if request.param == "folder" else f"memory://{tmp_path}", tmp_path)


@pytest.fixture
def store(home) -> ObjectStore:
    return home.open()


def from_the_middle(store: ObjectStore, artifact: Artifact) -> bytes:
    return b"".join(store.read_chunks(artifact, 100))


READERS: dict[str, Callable[[ObjectStore, Artifact], object]] = {
    "get_bytes": ObjectStore.get_bytes,
    "local_path": ObjectStore.local_path,
    "verify": ObjectStore.verify,
    "from_the_middle": from_the_middle,
}
every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())


def damage(home: FileSystemHome | BucketHome) -> None:
    ((path, data),) = home.files().items()
    home.write(path, bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
def test_what_is_put_is_read_back_every_way(store, data):
    artifact = store.put_bytes(data, "data.bin", "application/x-data")
    assert (artifact.name, artifact.size_bytes, artifact.media_type) == ("data.bin", len(data), "application/x-data")
    assert store.get_bytes(artifact) == data
    assert b"".join(store.read_chunks(artifact, 1000, 3333)) == data[1000:]
    assert b"".join(store.read_chunks(artifact, len(data))) == b""
    assert store.local_path(artifact).read_bytes() == data
    store.verify(artifact)


def test_chunks_are_as_large_as_asked_for(store):
    artifact = store.put_bytes(LARGE, "data")
    sizes = [len(chunk) for chunk in store.read_chunks(artifact, chunk_bytes=1_000_000)]
    assert set(sizes[:-1]) == {1_000_000}
    assert sum(sizes) == len(LARGE)


def test_empty_file_is_a_file(store):
    artifact = store.put_bytes(b"", "nothing")
    assert store.exists(artifact)
    assert store.get_bytes(artifact) == b""
    assert store.local_path(artifact).read_bytes() == b""


def test_same_content_is_stored_once_and_nothing_else(home, store):
    first, second = (store.put_bytes(DATA, name) for name in ("a", "b"))
    assert first.uri == second.uri
    assert list(home.files().values()) == [DATA]


def test_many_writers_of_the_same_content_leave_one_whole_file(home):
    threads = [threading.Thread(target=home.open().put_bytes, args=(DATA, "data")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(home.files().values()) == [DATA]


@every_reader
def test_flipped_bit_is_told_by_name(home, store, read):
    artifact = store.put_bytes(DATA, "sampler.onnx")
    damage(home)
    with pytest.raises(DataLoss, match=r"sampler\.onnx: the stored bytes") as caught:
        read(store, artifact)
    assert caught.value.metadata["uri"] == artifact.uri


def test_damage_after_a_whole_read_is_told_from_the_middle_too(home, store):
    artifact = store.put_bytes(DATA, "sampler.onnx")
    assert from_the_middle(store, artifact) == DATA[100:]
    damage(home)
    with pytest.raises(DataLoss, match="the stored bytes"):
        from_the_middle(store, artifact)


@every_reader
def test_deleted_file_is_told_by_name(store, read):
    artifact = store.put_bytes(DATA, "sampler.onnx")
    store.local_path(artifact)
    store.delete(artifact)
    store.delete(artifact)
    assert not store.exists(artifact)
    with pytest.raises(DataLoss, match=r"sampler\.onnx: missing"):
        read(store, artifact)


def test_what_another_process_does_is_seen_at_once(home):
    here, there = home.open("here"), home.open("there")
    artifact = here.put_bytes(DATA, "data")
    here.delete(artifact)
    assert not here.exists(artifact)
    there.put_bytes(DATA, "data")
    assert here.exists(artifact)
    assert here.get_bytes(artifact) == DATA
    there.delete(artifact)
    assert not here.exists(artifact)
    with pytest.raises(DataLoss, match="missing"):
        here.get_bytes(artifact)


@pytest.mark.parametrize("home", ["memory", "s3"], indirect=True)
class TestLocalCopies:
    """What `local_path` hands out of a store that is not a folder."""

    def test_damaged_copy_is_made_anew(self, home, store):
        artifact = store.put_bytes(DATA, "data")
        path = store.local_path(artifact)
        for reader in (store, home.open()):
            path.write_bytes(DATA[:-1])
            assert reader.local_path(artifact).read_bytes() == DATA

    def test_copies_are_shared(self, home, store):
        artifact = store.put_bytes(DATA, "data")
        path = store.local_path(artifact)
        before = path.stat().st_ino
        assert home.open().local_path(artifact) == path
        assert path.stat().st_ino == before

    def test_damaged_object_leaves_no_copy(self, home, store):
        artifact = store.put_bytes(DATA, "data")
        damage(home)
        with pytest.raises(DataLoss):
            store.local_path(artifact)
        assert list((home.folder / "cache").iterdir()) == []

    def test_what_was_not_asked_for_the_longest_makes_room(self, home):
        store = home.open(cache_bytes=2500)
        old, used, fresh, last = (store.put_bytes(bytes([number]) * 1000, str(number)) for number in range(4))
        now = time.time()
        for artifact, age_s in ((used, 9000), (old, 5000)):
            os.utime(store.local_path(artifact), (now - age_s, now - age_s))
        store.local_path(used)
        paths = [store.local_path(artifact) for artifact in (fresh, last)]
        left = {path.name for path in (home.folder / "cache").iterdir()}
        # The limit would have had one more go; what was asked for just now is spared.
        assert left == {used.sha256, fresh.sha256, last.sha256}
        assert all(path.exists() for path in paths)

    def test_folder_that_is_lost_is_made_again(self, home, store):
        artifact = store.put_bytes(DATA, "data")
        store.local_path(artifact)
        shutil.rmtree(home.folder / "cache")
        assert store.local_path(artifact).read_bytes() == DATA


def test_url_without_support_is_refused():
    with pytest.raises(InvalidField, match=r"store: got 'nonsense://x'"):
        ObjectStore("nonsense://x")


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
