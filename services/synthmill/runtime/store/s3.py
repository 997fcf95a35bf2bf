"""Files in a bucket of S3, or of anything that speaks its protocol.

Endpoint, region and credentials come from the environment, a profile or a role, as the AWS SDK finds them.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from synthmill.runtime.config import MIB
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.store.parts import PART_BYTES, PartReader
from synthmill.runtime.store.s3_errors import BROKEN_OFF, s3_errors_told, status_of

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_CONNECTIONS = 64
_READ_ATTEMPTS = 3
_NOT_FOUND, _BEYOND_THE_END = 404, 416
_CONFIG = Config(connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, max_pool_connections=_CONNECTIONS)
_UPLOAD = TransferConfig(multipart_threshold=32 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)


class S3Storage:
    """Keeps files in a bucket, each written by one PUT or one multipart upload, which is whole or not there at all.

    Args:
        url: s3://BUCKET/PREFIX.

    Raises:
        InvalidField: it is no such URL.
        FailedPrecondition: the environment's settings of AWS are malformed.
    """

    def __init__(self, url: str) -> None:
        self._bucket, self._prefix = _parse(url)
        try:
            # A session of its own: boto3's default one is not made for several threads.
            self._client = boto3.session.Session().client("s3", config=_CONFIG)
        except (BotoCoreError, ValueError) as error:
            raise FailedPrecondition(f"store: the settings of AWS cannot be used: {error}", field="store") from None

    def check(self) -> None:
        """Asks for the name of a file, which needs the bucket and the right to see whether a file is there."""
        with s3_errors_told(self._bucket):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def put(self, source: Path, key: str) -> None:
        """Stores a local file's content; what was sent of an upload that fails is removed."""
        with s3_errors_told(self._bucket), source.open("rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._prefix + key, Config=_UPLOAD)

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        """Opens a file for reading from a byte on; a large one is fetched in parts, several at a time."""
        first, size_bytes = self._fetch(key, offset)
        if offset + len(first) >= size_bytes:
            return io.BytesIO(first)
        offsets = range(offset + len(first), size_bytes, PART_BYTES)
        return io.BufferedReader(PartReader(first, offsets, lambda begin: self._fetch(key, begin)[0]), PART_BYTES)

    def stamp(self, key: str) -> str | None:
        """Returns the object's entity tag and time of change."""
        with s3_errors_told(self._bucket):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            except ClientError as error:
                if status_of(error) == _NOT_FOUND:
                    return None
                raise
        return f"{found['ETag']}-{found['LastModified'].isoformat()}"

    def remove(self, key: str) -> None:
        """Removes a file."""
        with s3_errors_told(self._bucket):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _fetch(self, key: str, offset: int) -> tuple[bytes, int]:
        """Returns a part from an offset on, and the size of the whole file in bytes."""
        with s3_errors_told(self._bucket):
            # The SDK tries a request again, but not one whose answer breaks off.
            for _ in range(_READ_ATTEMPTS - 1):
                with contextlib.suppress(*BROKEN_OFF):
                    return self._get(key, offset)
            return self._get(key, offset)

    def _get(self, key: str, offset: int) -> tuple[bytes, int]:
        wanted = f"bytes={offset}-{offset + PART_BYTES - 1}"
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, Range=wanted)
        except ClientError as error:
            if status_of(error) == _BEYOND_THE_END:
                return b"", offset
            raise
        data = answer["Body"].read()
        # An answer without a range is the whole file, which is what a server may do with a small one.
        return data, int(answer.get("ContentRange", f"/{len(data)}").rpartition("/")[2])


def _parse(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        # What is in the way may be a password.
        raise InvalidField("store", f"{parts.scheme}://…", "s3://BUCKET/PREFIX, without credentials")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""
