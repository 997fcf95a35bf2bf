"""Where the services are: given, else from the environment, else on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from synthmill.runtime.addresses import DEFAULT_BASE_PORT, address_variable, default_address
from synthmill.runtime.errors import InvalidField

SERVICES = ("catalog", "training", "sampling")
"""The services that this client knows."""

VARIABLE = "SYNTHMILL_ADDRESS"


def resolve_addresses(given: Mapping[str, str | None], address: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the address of every service.

    Args:
        given: addresses by service; None for what the environment or the default decides.
        address: "host" or "host:base_port" of a `synthmill up`; None for SYNTHMILL_ADDRESS.
        environ: environment; SYNTHMILL_CATALOG_ADDRESS and its like are asked unless `address` is given.

    Raises:
        InvalidField: an address is malformed.
    """
    fallback, field = (address, "address") if address else (environ.get(VARIABLE), VARIABLE)
    return {service: _resolve(service, given.get(service), address, fallback, field, environ) for service in SERVICES}


def _resolve(
    service: str, given: str | None, address: str | None, fallback: str | None, field: str, environ: Mapping[str, str]
) -> str:
    variable = address_variable(service)
    if given:
        return _check(f"{service}_address", given)
    if not address and environ.get(variable):
        return _check(variable, environ[variable])
    if fallback:
        host, base_port = split_address(field, fallback)
        return default_address(service, host, base_port)
    return default_address(service)


def split_address(field: str, address: str) -> tuple[str, int]:
    """Returns host and port of "host" or "host:port"; the default base port if there is none.

    Raises:
        InvalidField: it is neither.
    """
    host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not colon:
        host, port = address, str(DEFAULT_BASE_PORT)
    if not host or (":" in host and not host.startswith("[")) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidField(field, address, "host, or host:port with a port of 1 to 65535")
    return host, int(port)


def _check(field: str, address: str) -> str:
    # A target with a scheme, such as "dns:///host:port" or "unix:/path", is gRPC's to judge.
    if ":/" not in address and ":" not in address:
        raise InvalidField(field, address, "host:port")
    return address
