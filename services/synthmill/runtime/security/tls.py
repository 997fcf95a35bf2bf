"""The certificate that a service shows, and those that it asks of its callers."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.watched import Watched


def server_credentials(certificate: str, key: str, client_ca: str) -> grpc.ServerCredentials:
    """Returns what a server listens with; files that are replaced hold from the next handshake on.

    Args:
        certificate: PEM file with the service's certificate and those between it and its authority.
        key: PEM file with its key.
        client_ca: PEM file with the authorities of callers, who must then show a certificate; empty asks for none.

    Raises:
        InvalidField: a file cannot be read, or the files do not belong together.
    """
    paths = [path for path in (certificate, key, client_ca) if path]
    watched = Watched(paths, lambda: _configuration(certificate, key, client_ca))
    return grpc.dynamic_ssl_server_credentials(
        watched.get(), watched.get, require_client_authentication=bool(client_ca)
    )


def _configuration(certificate: str, key: str, client_ca: str) -> grpc.ServerCertificateConfiguration:
    # gRPC itself would only find out at the first handshake, and say so to the caller alone.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidField("tls_certificate", certificate, f"a PEM file that belongs to {key} ({error})") from None
    if client_ca:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise InvalidField("tls_client_ca", client_ca, f"a PEM file of certificates ({error})") from None
    authorities = Path(client_ca).read_bytes() if client_ca else None
    pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], authorities)
