"""From a service's settings to what it asks of its callers."""

from __future__ import annotations

import socket
from pathlib import Path

import grpc

from synthmill.runtime.addresses import is_loopback
from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.security.audit import AuditLog
from synthmill.runtime.security.guard import Guard
from synthmill.runtime.security.quotas import Quotas
from synthmill.runtime.security.tls import server_credentials
from synthmill.runtime.security.tokens import StaticTokens, Tokens


def open_guard(config: ServiceConfig, number: int | None = None) -> Guard:
    """Returns what stands before a service's methods.

    Args:
        config: the service's settings.
        number: of this process, if several serve behind one port.

    Raises:
        InvalidField: a file that the settings name is missing or wrong, or a setting that goes with another.
        FailedPrecondition: another process writes the audit log.
    """
    tokens: list[Tokens] = []
    if config.tokens:
        tokens.append(StaticTokens(config.tokens))
    if config.jwt_keys:
        tokens.append(_signed_tokens(config))
    if config.quotas and not tokens:
        raise InvalidField("quotas", config.quotas, "empty, unless tokens or jwt_keys tell tenants apart")
    quotas = Quotas(config.quotas) if config.quotas else None
    audit = AuditLog(_log_path(config, number)) if config.audit else None
    return Guard(tokens, quotas, audit)


def listening_credentials(config: ServiceConfig) -> grpc.ServerCredentials | None:
    """Returns what a service listens with; None means plain text.

    Raises:
        InvalidField: a file is missing or wrong, or others could read along.
    """
    if config.tls_certificate:
        return server_credentials(config.tls_certificate, config.tls_key, config.tls_client_ca)
    if is_loopback(f"{config.host}:0") or config.insecure:
        return None
    allowed = "an address of this machine alone; on any other, tls_certificate and tls_key, or insecure, are needed too"
    raise InvalidField("host", config.host, allowed)


def _signed_tokens(config: ServiceConfig) -> Tokens:
    # What checks signatures takes a while to load, which a service without is spared.
    from synthmill.runtime.security.signed import Issuer, SignedTokens

    for name in ("jwt_issuer", "jwt_audience"):
        if not getattr(config, name):
            raise InvalidField(name, "", "what the tokens have, because jwt_keys is given")
    return SignedTokens(Issuer(config.jwt_keys, config.jwt_issuer, config.jwt_audience, config.jwt_algorithm))


def _log_path(config: ServiceConfig, number: int | None) -> Path:
    part = "" if number is None else f"-{number}"
    return Path(config.audit) / f"{config.service}-{socket.gethostname()}{part}.jsonl"
