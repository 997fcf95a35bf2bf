"""What the AWS SDK raises, to the tree of errors.

- credentials that are refused, status 403: PermissionDenied
- no such file: FileNotFoundError
- status 429 or 5xx, no connection, no whole answer: Unavailable, once the SDK has tried it several times
- status 507, a full quota: ResourceExhausted
- anything else, such as no bucket or no credentials: FailedPrecondition
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from synthmill.runtime.errors import (
    FailedPrecondition,
    PermissionDenied,
    ResourceExhausted,
    SynthmillError,
    Unavailable,
)

BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""How an answer that has begun may end too soon."""

_NO_FILE = {"NoSuchKey", "404"}
_NO_BUCKET = "NoSuchBucket"
_REFUSED = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
_PASSING = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"}
_FORBIDDEN, _TOO_MANY, _FAULT, _NO_SPACE = 403, 429, 500, 507


@contextlib.contextmanager
def s3_errors_told(bucket: str) -> Iterator[None]:
    """Turns what the SDK raises inside into an error of the tree that names the bucket, or FileNotFoundError."""
    store = f"store s3://{bucket}"
    try:
        yield
    except ClientError as error:
        raise _answered(error, store) from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        wanted = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role"
        raise FailedPrecondition(f"{store}: no credentials ({error}); wanted: {wanted}", field="store") from None
    except BotoCoreError as error:
        cls = Unavailable if isinstance(error, (*BROKEN_OFF, ConnectionError, HTTPClientError)) else FailedPrecondition
        raise cls(f"{store}: {error}", field="store") from None


def status_of(error: ClientError) -> int:
    """Returns the HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answered(error: ClientError, store: str) -> SynthmillError | FileNotFoundError:
    told = error.response.get("Error", {})
    code, status = str(told.get("Code", "")), status_of(error)
    if code in _NO_FILE:
        return FileNotFoundError(str(error))
    if code == _NO_BUCKET:
        return FailedPrecondition(f"{store}: there is no such bucket", field="store")
    message = f"{store}: {told.get('Message') or 'refused'} ({code}, HTTP status {status})"
    if code in _REFUSED or status == _FORBIDDEN:
        return PermissionDenied(message, field="store")
    if code in _FULL or status == _NO_SPACE:
        return ResourceExhausted(message, field="store")
    if code in _PASSING or status == _TOO_MANY or status >= _FAULT:
        return Unavailable(message, field="store")
    return FailedPrecondition(message, field="store")
