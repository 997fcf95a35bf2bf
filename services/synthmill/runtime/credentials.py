"""What a caller shows: the TLS of its channels, and the token that goes with each call."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import grpc

from synthmill.runtime.addresses import is_loopback
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.watched import Watched

SYSTEM = "system"
"""In place of a file of authorities: those that gRPC brings."""


@dataclasses.dataclass(frozen=True)
class Credentials:
    """Files with what a caller shows; all are read again when they change.

    Attributes:
        ca: PEM file of the authorities that the services' certificates come from, or "system"; empty means plain text.
        client_certificate: PEM file with the caller's own certificate, for mutual TLS.
        client_key: PEM file with its key.
        token_file: file with a bearer token and nothing else.

    Raises:
        InvalidField: a part is missing.
    """

    ca: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token_file: str = ""

    def __post_init__(self) -> None:
        for name, other in (("client_certificate", "client_key"), ("client_key", "client_certificate")):
            if getattr(self, name) and not getattr(self, other):
                raise InvalidField(other, "", f"a PEM file, because {name} is given")
        if self.client_certificate and not self.ca:
            raise InvalidField("ca", "", f"a PEM file or {SYSTEM!r}, because client_certificate is given")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads SYNTHMILL_CA, SYNTHMILL_CLIENT_CERTIFICATE, SYNTHMILL_CLIENT_KEY and SYNTHMILL_TOKEN_FILE."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: environ.get(f"SYNTHMILL_{name.upper()}", "") for name in names})

    @property
    def tls_files(self) -> list[str]:
        """The files that a channel is opened with; none of them means plain text."""
        return [path for path in (self.ca, self.client_certificate, self.client_key) if path and path != SYSTEM]

    def to_channel_credentials(self) -> grpc.ChannelCredentials | None:
        """Reads the files for a channel; None means plain text.

        Raises:
            InvalidField: a file cannot be read.
        """
        if not self.ca:
            return None
        authorities = None if self.ca == SYSTEM else _read("ca", self.ca)
        if not self.client_certificate:
            return grpc.ssl_channel_credentials(authorities)
        key, certificate = _read("client_key", self.client_key), _read("client_certificate", self.client_certificate)
        self._check_pair()
        return grpc.ssl_channel_credentials(authorities, key, certificate)

    def _check_pair(self) -> None:
        # gRPC takes a certificate with another one's key, and then fails every call.
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.client_certificate, self.client_key)
        except (OSError, ssl.SSLError) as error:
            allowed = f"a PEM file that belongs to {self.client_key} ({error})"
            raise InvalidField("client_certificate", self.client_certificate, allowed) from None

    def watch_token(self, address: str) -> Watched[str] | None:
        """Returns the token for calls to an address, or None without a token.

        Raises:
            InvalidField: the file cannot be read, or the token would travel as plain text.
        """
        if not self.token_file:
            return None
        if not self.ca and not is_loopback(address):
            raise InvalidField("ca", "", f"a PEM file or {SYSTEM!r}: a token does not go to {address} as plain text")
        return Watched([self.token_file], lambda: _token(self.token_file))


def _token(path: str) -> str:
    token = _read("token_file", path).decode("ascii", "replace").strip()
    if not token or not token.isprintable() or " " in token:
        raise InvalidField("token_file", path, "a file with one token of printable ASCII")
    return token


def _read(field: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidField(field, path, f"a readable file ({error.strerror})") from None
