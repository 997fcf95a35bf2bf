"""The object store on S3: what the bucket, the network and the settings may do to it."""

from __future__ import annotations

import sys
from urllib.request import Request, urlopen

import pytest

from support.processes import free_port
from support.s3 import SECRET, faulty_s3
from synthmill.runtime.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidField,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from synthmill.runtime.store import ObjectStore

LARGE = bytes(range(256)) * (40 << 12)


@pytest.fixture
def bucket(s3, monkeypatch) -> str:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return s3.make_bucket()


@pytest.fixture
def refusing(s3):
    """The server, as long as it looks at who asks."""
    _ask_who(s3, "0")
    yield s3
    _ask_who(s3, "inf")


def _ask_who(s3, after: str) -> None:
    # As anything but plain bytes the server would take it for a form.
    headers = {"Content-Type": "application/octet-stream"}
    with urlopen(Request(f"{s3.endpoint}/moto-api/reset-auth", after.encode(), headers), timeout=5):
        pass


def every_call(store: ObjectStore):
    artifact = ObjectStore("memory://artifact").put_bytes(b"data", "data.bin")
    return (
        store.check,
        lambda: store.put_bytes(b"data", "data.bin"),
        lambda: store.get_bytes(artifact),
        lambda: store.local_path(artifact),
    )


def assert_told(store: ObjectStore, error: type[Exception], words: str) -> None:
    for call in every_call(store):
        with pytest.raises(error, match=words) as caught:
            call()
        assert SECRET not in str(caught.value)


def test_bucket_that_is_not_there(s3, tmp_path):
    store = ObjectStore("s3://no-such-bucket/x", tmp_path)
    assert_told(store, FailedPrecondition, "store s3://no-such-bucket: there is no such bucket")


def test_credentials_that_are_refused(bucket, refusing, tmp_path):
    assert_told(ObjectStore(f"s3://{bucket}", tmp_path), PermissionDenied, f"store s3://{bucket}: .*403")


def test_no_credentials(bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert_told(ObjectStore(f"s3://{bucket}", tmp_path), FailedPrecondition, "no credentials .* AWS_ACCESS_KEY_ID")


def test_endpoint_that_is_down(bucket, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert_told(ObjectStore(f"s3://{bucket}", tmp_path), Unavailable, "Could not connect to the endpoint")


def test_endpoint_that_is_no_url(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    with pytest.raises(FailedPrecondition, match="the settings of AWS cannot be used: Invalid endpoint"):
        ObjectStore(f"s3://{bucket}")


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, Unavailable), (429, Unavailable), (507, ResourceExhausted), (405, FailedPrecondition)],
)
def test_status_of_an_answer(s3, bucket, monkeypatch, tmp_path, status, error):
    with faulty_s3(s3, lambda method, path: status) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert_told(ObjectStore(f"s3://{bucket}", tmp_path), error, str(status))


def test_extra_that_is_not_installed(monkeypatch):
    monkeypatch.delitem(sys.modules, "synthmill.runtime.store.s3", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(FailedPrecondition, match=r"S3 needs boto3, .* pip install 'synthmill\[s3\]'"):
        ObjectStore("s3://bucket")


@pytest.mark.parametrize("url", ["s3://", "s3://key:hidden@bucket/x", "s3://UPPER", "s3://bucket?password=hidden"])
def test_url_that_names_no_bucket(url):
    with pytest.raises(InvalidField, match="allowed: s3://BUCKET/PREFIX, without credentials") as caught:
        ObjectStore(url)
    assert "hidden" not in str(caught.value) + str(caught.value.metadata)


def test_names_lie_under_the_prefix(s3, bucket):
    artifact = ObjectStore(f"s3://{bucket}/team/synthmill/").put_bytes(b"data", "data.bin")
    assert s3.keys(bucket) == [f"team/synthmill/sha256/{artifact.sha256[:2]}/{artifact.sha256[2:]}"]


def test_nothing_is_visible_before_all_of_it_is_there(s3, bucket, monkeypatch):
    seen = []

    def look(method: str, path: str) -> None:
        if method in ("PUT", "POST"):
            seen.append(s3.keys(bucket))

    with faulty_s3(s3, look) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        ObjectStore(f"s3://{bucket}").put_bytes(LARGE, "large.bin")
    # A beginning, three parts and an end, each seen before it is handed on.
    assert seen == [[]] * 5
    assert len(s3.keys(bucket)) == 1


def test_upload_that_fails_leaves_nothing(s3, bucket, monkeypatch):
    with faulty_s3(s3, lambda method, path: 503 if "partNumber=2" in path else None) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(Unavailable, match="503"):
            ObjectStore(f"s3://{bucket}").put_bytes(LARGE, "large.bin")
    assert s3.keys(bucket) == []
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=bucket)


def test_answers_that_break_off_are_asked_for_again(s3, bucket, monkeypatch):
    artifact = ObjectStore(f"s3://{bucket}").put_bytes(LARGE, "large.bin")
    broken = []

    def break_off(method: str, path: str) -> float | None:
        if method == "GET" and len(broken) < 2:
            broken.append(path)
            return 0.5
        return None

    with faulty_s3(s3, break_off) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert ObjectStore(f"s3://{bucket}").get_bytes(artifact) == LARGE
    assert len(broken) == 2


def test_answers_that_always_break_off_are_told(s3, bucket, monkeypatch):
    artifact = ObjectStore(f"s3://{bucket}").put_bytes(LARGE, "large.bin")
    with faulty_s3(s3, lambda method, path: 0.5 if method == "GET" else None) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(Unavailable, match=f"store s3://{bucket}"):
            ObjectStore(f"s3://{bucket}").get_bytes(artifact)


def test_deleted_while_it_is_read_is_missing(s3, bucket, monkeypatch):
    artifact = ObjectStore(f"s3://{bucket}").put_bytes(LARGE, "large.bin")
    answered = []

    def delete(method: str, path: str) -> int | None:
        if method != "GET":
            return None
        answered.append(path)
        return 404 if len(answered) > 1 else None

    with faulty_s3(s3, delete) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(DataLoss, match=r"large\.bin: missing"):
            ObjectStore(f"s3://{bucket}").get_bytes(artifact)
