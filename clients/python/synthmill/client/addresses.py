"""Where the services are: given, else from the environment, else on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from synthmill.runtime.addresses import DEFAULT_BASE_PORT, DEFAULT_HOST, PORT_OFFSETS, address_variable, default_address
from synthmill.runtime.errors import InvalidField

SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")
"""The services that this client knows."""

VARIABLE = "SYNTHMILL_ADDRESS"

# The services listen above their base port.
_LAST = 65535 - max(PORT_OFFSETS.values())


def resolve_addresses(
    given: Mapping[str, str | None], address: str | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """Returns the address of every service.

    Args:
        given: addresses by service; None for what the rest decides.
        address: "host" or "host:base_port" of a `synthmill up`; None for what the environment says.
        environ: SYNTHMILL_CATALOG_ADDRESS and its like; SYNTHMILL_ADDRESS, which is meant as `address` is.

    Raises:
        InvalidField: an address is malformed.
    """
    return {service: _resolve(service, given.get(service), address, environ) for service in SERVICES}


def _resolve(service: str, given: str | None, address: str | None, environ: Mapping[str, str]) -> str:
    variable = address_variable(service)
    if given:
        return _checked(f"{service}_address", given)
    if address:
        return default_address(service, *split_address("address", address))
    if environ.get(variable):
        return _checked(variable, environ[variable])
    return default_address(service, *split_address(VARIABLE, environ.get(VARIABLE) or DEFAULT_HOST))


def split_address(field: str, address: str) -> tuple[str, int]:
    """Returns host and port of "host" or "host:port"; the default base port if there is none.

    Raises:
        InvalidField: it is neither.
    """
    host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not colon:
        host, port = address, str(DEFAULT_BASE_PORT)
    if not host or (":" in host and not host.startswith("[")) or not port.isdecimal() or not 0 < int(port) <= _LAST:
        raise InvalidField(field, address, f"host, or host:port with a port of 1 to {_LAST}")
    return host, int(port)


def _checked(field: str, address: str) -> str:
    # The rest is gRPC's to judge, which knows targets such as "dns:///host:port" and "unix:/path" too.
    if ":" not in address:
        raise InvalidField(field, address, "host:port")
    return address
